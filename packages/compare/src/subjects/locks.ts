import { createLocks, type LockAdapter } from '@holdfast/lock-core';
import { inBatches, type Subject } from './subject.ts';

/** Holdfast itself, with its defaults. `closeClient` closes what the adapter does not own. */
export function locksSubject(adapter: LockAdapter, closeClient?: () => unknown): Subject {
  const locks = createLocks(adapter);
  return {
    capabilities: adapter.capabilities,
    async cycle(key) {
      const lock = await locks.acquire(key);
      return lock.release();
    },
    waiter: async (key) => async () => {
      const lock = await locks.acquire(key);
      return { token: lock.fencingToken, release: () => lock.release() };
    },
    async hold(keys, ttlMs) {
      const held = await inBatches(keys, (key) => locks.acquire(key, { ttlMs }));
      return async () => {
        const outcomes = await inBatches(held, (lock) => lock.release());
        return outcomes.filter((outcome) => outcome === 'lost').length;
      };
    },
    async close() {
      await locks.close();
      await closeClient?.();
    },
  };
}
