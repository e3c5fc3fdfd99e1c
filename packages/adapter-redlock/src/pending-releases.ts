import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisClientBinding } from '@holdfast/redis-protocol';
import type { NodeRequest } from './requests.ts';

// A node that stays away for long while locks come and go: what is forgotten then ends with its TTL.
const maxPending = 1_000;

// With the connection up the server itself has refused. These pass: it loads its data, runs a long script, or cannot write to disk.
const passing = /^(LOADING|BUSY|MISCONF)\b/;
const pauseMs = 1_000;

/**
 * Votes that are still to be withdrawn from one node, because it was not connected, its connection broke over it, or the server
 * was not able to. The lock as a whole is released by then, since a majority is, and nobody would ask again: the vote would
 * stand until its TTL, and be missing in the next majority. They are withdrawn once the connection is there again, or a second
 * later (H11).
 */
export interface PendingReleases {
  /** Notes a request that cannot be sent now, or that failed. */
  add(request: NodeRequest): void;
  /** Gives up. */
  close(): void;
}

/** Whether a release that failed is worth another try: the connection broke, or the server says that it passes. */
export const mayPass = (client: RedisClientBinding, error: unknown): boolean =>
  !client.ready || (error instanceof Error && passing.test(error.message));

export function createPendingReleases(
  client: RedisClientBinding,
  send: (request: NodeRequest) => void,
): PendingReleases {
  const pending = new Map<string, NodeRequest>();
  const end = new AbortController();
  let waiting = false;

  async function sendWhenReady(): Promise<void> {
    waiting = true;
    if (client.ready) await sleep(pauseMs, undefined, { ref: false, signal: end.signal }).catch(() => {});
    while (!client.ready && !end.signal.aborted) {
      // Rejects at each failed attempt to connect, and the client makes the next one.
      await client.whenReady(end.signal).catch(() => {});
    }
    waiting = false;
    const due = [...pending.values()];
    pending.clear();
    if (!end.signal.aborted) for (const request of due) send(request);
  }

  return {
    add(request) {
      if (end.signal.aborted) return;
      if (pending.size >= maxPending) pending.delete(pending.keys().next().value!);
      pending.set(requestId(request), request);
      if (!waiting) void sendWhenReady();
    },
    close() {
      end.abort();
      pending.clear();
    },
  };
}

/** The same for requests that do the same. */
export const requestId = ({ keys, args }: NodeRequest): string => `${args.join(' ')} ${keys.lock}`;
