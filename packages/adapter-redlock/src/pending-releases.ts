import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisClientBinding } from '@holdfast/redis-protocol';
import type { CircuitBreaker } from './circuit-breaker.ts';
import type { NodeRequest, Reply, Requests } from './requests.ts';

// Bounds the memory for a node that is away for long. A vote whose withdrawal is dropped ends with its TTL.
const maxPending = 1_000;

// Refusals that pass: the server is loading its data, runs a long script, cannot write to disk, lacks memory (the release of one of
// several holders needs some) or replicas, or is a replica for a while. Expired votes are answered in any case, so resending ends
// with the lease.
const passing = /(^|-)(LOADING|BUSY|MISCONF|OOM|MASTERDOWN|NOREPLICAS|READONLY)\b/;
const pauseMs = 1_000;

/** Requests that withdraw votes from one node. */
export interface Releases {
  /** Sends the request; if it fails for a reason that passes, it is sent again. */
  send(request: NodeRequest, answer: Reply): void;
  /** Sends the request once the node is connected. */
  sendLater(request: NodeRequest): void;
  /** Gives up what has not been sent. */
  close(): void;
}

/** The server that a node's votes are at. */
export interface Server {
  /** Whether the connection leads there, as far as is known. */
  isHere(): boolean;
  /** Resolves once it does; rejects when an attempt to connect fails, or leads to another server. */
  whenHere(signal: AbortSignal): Promise<void>;
}

export function createReleases(
  client: RedisClientBinding,
  requests: Requests,
  breaker: CircuitBreaker,
  server: Server,
): Releases {
  const pending = createPending(client, server, (request) => send(request, () => {}));
  // Keyed by what they do. Empty for a node that answers: putting every release into a map costs a fifth of the speed.
  const unanswered = new Map<string, Reply>();

  function send(request: NodeRequest, answer: Reply): void {
    if (breaker.silent) return sendOnce(request, answer);
    requests.add(request, (reply, error, resent) => {
      retryLater(request, error);
      answer(reply, error, resent);
    });
  }

  /** A silent node gets each release once, however often it is asked for. */
  function sendOnce(request: NodeRequest, answer: Reply): void {
    const id = requestId(request);
    const present = unanswered.get(id);
    unanswered.set(id, answer);
    if (present !== undefined) return present(undefined, new Error('asked again before it answered'), true);
    requests.add(request, (reply, error, resent) => {
      const latest = unanswered.get(id);
      unanswered.delete(id);
      retryLater(request, error);
      latest?.(reply, error, resent);
    });
  }

  function retryLater(request: NodeRequest, error: unknown): void {
    if (error !== undefined && mayPass(client, error)) pending.add(request);
  }

  return { send, sendLater: pending.add, close: pending.close };
}

/** Whether a release that failed is worth another try: the connection broke, or the server says that it passes. */
const mayPass = (client: RedisClientBinding, error: unknown): boolean =>
  !client.ready || (error instanceof Error && passing.test(error.message));

/**
 * Votes that are still to be withdrawn from one node: it was disconnected, led to another server, or could not carry it out. A
 * majority has released the lock, so nobody would ask again, and the next majority would lack this vote until its TTL ends. They
 * are withdrawn on reconnection, or a second later (H11).
 */
function createPending(client: RedisClientBinding, server: Server, send: (request: NodeRequest) => void) {
  const pending = new Map<string, NodeRequest>();
  const end = new AbortController();
  let waiting = false;

  async function sendWhenReady(): Promise<void> {
    waiting = true;
    const pause = (): Promise<void> => sleep(pauseMs, undefined, { ref: false, signal: end.signal }).catch(() => {});
    if (client.ready) await pause();
    while (!server.isHere() && !end.signal.aborted) {
      // The client makes the next attempt to connect by itself; a name may lead to the right server again later (H119).
      await server.whenHere(end.signal).catch(() => (client.ready ? pause() : undefined));
    }
    waiting = false;
    const due = [...pending.values()];
    pending.clear();
    if (!end.signal.aborted) for (const request of due) send(request);
  }

  return {
    add(request: NodeRequest): void {
      if (end.signal.aborted) return;
      if (pending.size >= maxPending) pending.delete(pending.keys().next().value!);
      pending.set(requestId(request), request);
      if (!waiting) void sendWhenReady();
    },
    close(): void {
      end.abort();
      pending.clear();
    },
  };
}

/** The same for requests that do the same. */
const requestId = ({ keys, args }: NodeRequest): string => `${args.join(' ')} ${keys.lock}`;
