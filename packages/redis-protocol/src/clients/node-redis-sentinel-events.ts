import { performance } from 'node:perf_hooks';
import { LockError } from '@holdfast/lock-core';
import type { ClientEvents } from '../client-readiness.ts';
import { readable } from '../errors.ts';
import type { NodeRedisSentinel } from './node-redis-client.ts';
import { shareTlsCheck } from './tls-check.ts';

const name = 'node-redis';

type Listener = (...args: unknown[]) => void;

// How often the client is asked, while somebody waits, whether it has a master: it does not tell in all versions.
const lookEveryMs = 20;
// Another sentinel may know better than the one that refused.
const otherSentinelsMs = 200;
// The client looks for its master about once a second; a refusal that is not repeated no longer holds.
const refusalHoldsMs = 5_000;

const { setInterval: startTimer, clearInterval: stopTimer } = globalThis;

/**
 * What a waiter needs to hear of a sentinel client: `ready` when it has a master, `error` when the sentinels or the master refuse
 * it (H130). Such a client goes on looking for seconds and then says that no sentinel is available.
 */
export function sentinelEvents(client: NodeRedisSentinel, isUp: () => boolean): ClientEvents {
  let events = known.get(client);
  if (events === undefined) {
    events = watch(client, isUp);
    shareTlsCheck(client, events);
    known.set(client, events);
  }
  return events;
}

// One for a client, however many adapters are made over it.
const known = new WeakMap<NodeRedisSentinel, ClientEvents>();

function watch(client: NodeRedisSentinel, isUp: () => boolean): ClientEvents {
  const listeners = new Map<string, Listener>();
  let refusal: { error: LockError; since: number; last: number } | undefined;
  let timer: NodeJS.Timeout | undefined;

  const note: Listener = (error) => {
    const reason = readable(error, name);
    if (!(reason instanceof LockError)) return;
    const now = performance.now();
    const since = refusal !== undefined && now - refusal.last < refusalHoldsMs ? refusal.since : now;
    refusal = { error: reason, since, last: now };
  };
  // What connections to the master, and to replicas, meet comes by another event.
  client.on('client-error', (event) => {
    const { type, error } = event as { type?: string; error?: unknown };
    if (type === 'MASTER') note(error);
  });

  function look(): void {
    const now = performance.now();
    if (refusal !== undefined && now - refusal.last > refusalHoldsMs) refusal = undefined;
    if (isUp()) {
      refusal = undefined;
      listeners.get('ready')?.();
    } else if (refusal !== undefined && now - refusal.since > otherSentinelsMs) listeners.get('error')?.(refusal.error);
  }

  let noting = false;
  /** A first error listener would silence errors that the application left unhandled. */
  function noteErrors(): void {
    if (noting || client.listenerCount('error') === 0) return;
    noting = true;
    client.on('error', note);
  }
  noteErrors();

  return {
    on(event, listener) {
      noteErrors();
      if (event === 'end') return client.on(event, listener);
      listeners.set(event, listener);
      timer ??= startTimer(look, lookEveryMs);
      timer.unref();
      return client;
    },
    off(event, listener) {
      if (event === 'end') return client.off(event, listener);
      listeners.delete(event);
      if (listeners.size > 0) return client;
      stopTimer(timer);
      timer = undefined;
      return client;
    },
    listenerCount: (event) => (event === 'error' ? 1 : client.listenerCount(event)),
  };
}
