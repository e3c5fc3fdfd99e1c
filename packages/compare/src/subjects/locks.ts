import { type AcquireOptions, createLocks, type Lock, type LockAdapter, type LocksOptions } from '@holdfast/lock-core';
import { inBatches, type Mix, type Subject } from './subject.ts';

interface Setup {
  readonly options?: LocksOptions | undefined;
  /** Closes what the adapter does not own. */
  readonly closeClient?: (() => unknown) | undefined;
  /** Whose locks; default those of this commit. */
  readonly create?: typeof createLocks | undefined;
}

/** Holdfast itself, with its defaults unless said. */
export function locksSubject(
  adapter: LockAdapter,
  { options, closeClient, create = createLocks }: Setup = {},
): Subject {
  const locks = create(adapter, options);
  return {
    capabilities: adapter.capabilities,
    async cycle(key) {
      const lock = await locks.acquire(key);
      return lock.release();
    },
    waiter: async (key, index, mix) => {
      const asked = mix && optionsOf(mix, index);
      return async () => turnOf(await locks.acquire(key, asked));
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

/** Permits of semaphores: one for each turn. */
export function permitsSubject(adapter: LockAdapter, limit: number, closeClient: () => unknown): Subject {
  const locks = createLocks(adapter);
  return {
    async cycle(key) {
      const lock = await locks.semaphore(key, limit).acquire();
      return lock.release();
    },
    waiter: async (key) => {
      const pool = locks.semaphore(key, limit);
      return async () => turnOf(await pool.acquire());
    },
    async close() {
      await locks.close();
      await closeClient();
    },
  };
}

/** Shared locks; of the waiters half are writers. */
export function sharedSubject(adapter: LockAdapter, closeClient: () => unknown): Subject {
  const locks = createLocks(adapter);
  return {
    async cycle(key) {
      const lock = await locks.acquire(key, { mode: 'shared' });
      return lock.release();
    },
    waiter: async (key, index) => {
      const asked = optionsOf('shared and exclusive', index);
      return async () => turnOf(await locks.acquire(key, asked));
    },
    async close() {
      await locks.close();
      await closeClient();
    },
  };
}

const turnOf = (lock: Lock) => ({ token: lock.fencingToken, release: () => lock.release() });

/** What the waiter of this number asks for. */
function optionsOf(mix: Mix, index: number): AcquireOptions {
  switch (mix) {
    case 'no renewal':
      return { autoRenew: false };
    case 'two TTLs':
      return { ttlMs: index % 2 === 0 ? 30_000 : 20_000 };
    case 'shared and exclusive':
      return { mode: index % 2 === 0 ? 'exclusive' : 'shared' };
  }
}
