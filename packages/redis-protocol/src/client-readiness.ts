import { LockError } from '@holdfast/lock-core';
import { tlsCheckOf } from './clients/tls-check.ts';
import { notConnected, readable } from './errors.ts';

/** The part of a client's event interface that is needed to wait for a connection. */
export interface ClientEvents {
  on(event: string, listener: (...args: unknown[]) => void): unknown;
  off(event: string, listener: (...args: unknown[]) => void): unknown;
  listenerCount(event: string): number;
}

// Shorter than core's time-out of an attempt, so that a caller who repeats the call has one that waits, not many.
const longestWaitMs = 1_000;

// Taken at load: a test runner's fake timers must not decide about the connections of a shared client.
const { setTimeout: startTimer, clearTimeout: stopTimer } = globalThis;

/**
 * A function that resolves at the client's next `readyEvent`. It rejects when a given `signal` aborts, with the error when
 * the client reports one (a server that cannot be reached, or that refuses the credentials), and after a second, so that
 * what waits during an outage does not grow with the outage (H116).
 */
export function createReadiness(
  client: ClientEvents,
  name: string,
  readyEvent = 'ready',
  longestMs: number = longestWaitMs,
): WhenReady {
  const known = readiness.get(client);
  if (known !== undefined) return known;
  const whenReady = watch(client, name, readyEvent, longestMs);
  readiness.set(client, whenReady);
  return whenReady;
}

type WhenReady = (signal?: AbortSignal) => Promise<void>;

// One per client, however many adapters use it.
const readiness = new WeakMap<ClientEvents, WhenReady>();

// How long a client may take to connect before its servers are asked whether they speak TLS.
const tlsCheckAfterMs = 200;
// Nobody is there who could be asked.
const nobody = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN']);

function watch(client: ClientEvents, name: string, readyEvent: string, longestMs: number): WhenReady {
  // One set of listeners on the client, however many wait.
  const waiting = new Set<(error?: unknown) => void>();
  const settleAll = (error?: unknown) => {
    for (const settle of waiting) settle(error);
  };
  // A closed client rejects commands with its own reason.
  const onReady = () => settleAll();
  const onError = (error: unknown) => {
    const reason = readable(error, name);
    const isClear = reason instanceof LockError || nobody.has(String((error as { code?: unknown } | undefined)?.code));
    if (isClear || !tlsCheckOf(client)) settleAll(reason);
    else checkTls(reason);
  };
  /** Settles those who wait if the servers and the client do not agree on TLS, or else with `otherwise`. */
  function checkTls(otherwise?: unknown): void {
    tlsCheckOf(client)?.().then((refusal) => {
      const reason = refusal ?? otherwise;
      if (reason !== undefined) settleAll(reason);
    });
  }
  let check: NodeJS.Timeout | undefined;

  function enter(settle: (error?: unknown) => void): void {
    if (waiting.size === 0) {
      if (tlsCheckOf(client)) check = startTimer(checkTls, tlsCheckAfterMs).unref();
      client.on(readyEvent, onReady);
      client.on('end', onReady);
      // A first error listener would silence errors that the application left unhandled.
      if (client.listenerCount('error') > 0) client.on('error', onError);
    }
    waiting.add(settle);
  }

  function exit(settle: (error?: unknown) => void): void {
    waiting.delete(settle);
    if (waiting.size > 0) return;
    stopTimer(check);
    client.off(readyEvent, onReady);
    client.off('end', onReady);
    client.off('error', onError);
  }

  return (signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const settle = (error?: unknown) => {
        exit(settle);
        stopTimer(timer);
        signal?.removeEventListener('abort', onAbort);
        if (error === undefined) resolve();
        else reject(error);
      };
      const onAbort = () => settle(signal?.reason ?? new Error('aborted'));
      const timer = startTimer(() => settle(notConnected(name)), longestMs);
      timer.unref();
      enter(settle);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
}
