import { createLocks, type Lock, type LockAdapter, type Locks } from '@holdfast/lock-core';
import type { Orphan, WorkerPlan } from './messages.ts';
import { permitLimit } from './workload.ts';

/** Takes each key once, alone, with a new client: what cannot be had within the time was left behind by somebody. */
export async function claim(
  open: () => Promise<LockAdapter>,
  { keys, pools }: Pick<WorkerPlan, 'keys' | 'pools'>,
  withinMs: number,
): Promise<Orphan[]> {
  const adapter = await open();
  await using locks = createLocks(adapter);
  const options = { waitMs: withinMs, ttlMs: 60_000 };
  const ofKeys = keys.map((key) => claimOne(adapter, key, locks.acquire(key, options)));
  const wanted = adapter.capabilities.permits ? pools : [];
  const ofPools = wanted.map((key) => claimOne(adapter, key, allPermits(locks, key, options)));
  return (await Promise.all([...ofKeys, ...ofPools])).flat();
}

const allPermits = (locks: Locks, key: string, options: { waitMs: number; ttlMs: number }): Promise<Lock> =>
  locks.semaphore(key, permitLimit).acquire({ ...options, permits: permitLimit });

async function claimOne(adapter: LockAdapter, key: string, acquired: Promise<Lock>): Promise<Orphan[]> {
  try {
    await (await acquired).release();
  } catch (error) {
    return [{ key, why: error instanceof Error ? error.message : String(error) }];
  }
  const left = await adapter.inspect?.(key);
  return left === undefined ? [] : [{ key, why: `it was released, and is held by ${left.owner} again` }];
}
