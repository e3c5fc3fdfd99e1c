import type { LockAdapter } from '@holdfast/lock-core';
import { openAdapter as openRight } from '../support/open-table.ts';

/** A client in another process that takes what it has waited for without asking whether it is its turn. */
export function openAdapter(at: { host: string; port: number }): LockAdapter {
  const right = openRight(at);
  const waitedFor = new Set<string>();
  return {
    ...right,
    async tryAcquire(attempt) {
      if (waitedFor.has(attempt.key)) return { status: 'granted', validForMs: attempt.ttlMs, fencingToken: 1n };
      const outcome = await right.tryAcquire(attempt);
      if (outcome.status === 'busy') waitedFor.add(attempt.key);
      return outcome;
    },
  };
}
