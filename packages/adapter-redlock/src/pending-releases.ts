import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisClientBinding } from '@holdfast/redis-protocol';
import type { NodeRequest } from './requests.ts';

// A node that stays away for long while locks come and go: what is forgotten then ends with its TTL.
const maxPending = 1_000;

// With the connection up the server itself has refused. These pass: it reads its data in, runs a long script, or cannot write to disk.
const passing = /^(LOADING|BUSY|MISCONF)\b/;
const pauseMs = 1_000;

/**
 * Votes that are still to be taken back from one node, because its connection broke over it or the server was not able to.
 * The lock as a whole is released by then, since a majority is, and nobody would ask again: the vote would stand until its TTL,
 * and be missing in the next majority. They are taken back as soon as the connection is there again, or a second later (H11).
 */
export interface PendingReleases {
  /** Notes a request that failed. */
  owe(request: NodeRequest, error: unknown): void;
  /** Gives up. */
  close(): void;
}

export function createPendingReleases(
  client: RedisClientBinding,
  pay: (request: NodeRequest) => void,
): PendingReleases {
  const pending = new Map<string, NodeRequest>();
  const end = new AbortController();
  let waiting = false;

  async function payWhenReady(): Promise<void> {
    waiting = true;
    if (client.ready) await sleep(pauseMs, undefined, { ref: false, signal: end.signal }).catch(() => {});
    while (!client.ready && !end.signal.aborted) {
      // Rejects at each failed attempt to connect, and the client makes the next one.
      await client.whenReady(end.signal).catch(() => {});
    }
    waiting = false;
    const due = [...pending.values()];
    pending.clear();
    if (!end.signal.aborted) for (const request of due) pay(request);
  }

  return {
    owe(request, error) {
      if (end.signal.aborted) return;
      if (client.ready && !(error instanceof Error && passing.test(error.message))) return;
      if (pending.size >= maxPending) pending.delete(pending.keys().next().value!);
      pending.set(request.args.join(' '), request);
      if (!waiting) void payWhenReady();
    },
    close() {
      end.abort();
      pending.clear();
    },
  };
}
