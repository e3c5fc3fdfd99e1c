import { createLocks, type LockAdapter } from '@holdfast/lock-core';
import type { Orphan } from './messages.ts';

/** Takes each key once with a new client: what cannot be had within the time was left behind by somebody. */
export async function claim(
  open: () => Promise<LockAdapter>,
  keys: readonly string[],
  withinMs: number,
): Promise<Orphan[]> {
  const adapter = await open();
  await using locks = createLocks(adapter);
  const orphans = await Promise.all(
    keys.map(async (key): Promise<Orphan[]> => {
      try {
        const lock = await locks.acquire(key, { waitMs: withinMs, ttlMs: 60_000 });
        await lock.release();
      } catch (error) {
        return [{ key, why: error instanceof Error ? error.message : String(error) }];
      }
      const left = await adapter.inspect?.(key);
      return left === undefined ? [] : [{ key, why: `it was released, and is held by ${left.owner} again` }];
    }),
  );
  return orphans.flat();
}
