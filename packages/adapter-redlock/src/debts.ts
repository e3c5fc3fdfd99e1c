import type { LockKeys, RedisClientBinding } from '@holdfast/redis-protocol';
import type { RequestArgs } from './requests.ts';

// A node that stays away for long while locks come and go: what is forgotten then ends with its TTL.
const mostDebts = 1_000;

/**
 * Votes that are still to be taken back from one node, because its connection broke over it. The lock as a whole is released
 * by then, since a majority is, and nobody would ask again: the vote would stand until its TTL, and be missing in the next
 * majority. They are taken back as soon as the connection is there again (H11).
 */
export interface Debts {
  /** Notes a request that has no answer. */
  owe(keys: LockKeys, request: RequestArgs): void;
  /** Gives up. */
  close(): void;
}

export function createDebts(client: RedisClientBinding, pay: (keys: LockKeys, request: RequestArgs) => void): Debts {
  const debts = new Map<string, [LockKeys, RequestArgs]>();
  const end = new AbortController();
  let waiting = false;

  async function payWhenReady(): Promise<void> {
    waiting = true;
    while (!client.ready && !end.signal.aborted) {
      // Rejects at each failed attempt to connect, and the client makes the next one.
      await client.whenReady(end.signal).catch(() => {});
    }
    waiting = false;
    const due = [...debts.values()];
    debts.clear();
    if (!end.signal.aborted) for (const [keys, request] of due) pay(keys, request);
  }

  return {
    owe(keys, request) {
      // With the connection up the server itself has refused, and would again.
      if (client.ready || end.signal.aborted) return;
      if (debts.size >= mostDebts) debts.delete(debts.keys().next().value!);
      debts.set(request.join(' '), [keys, request]);
      if (!waiting) void payWhenReady();
    },
    close() {
      end.abort();
      debts.clear();
    },
  };
}
