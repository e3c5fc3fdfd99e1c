import { createLocks, type LockAdapter, type Semaphore } from '@holdfast/lock-core';
import { withOptions } from './change-locks.ts';
import type { Mutant } from './mutant.ts';

/** The adapter with other capabilities than it declares. */
const declaring = (right: LockAdapter, shared: boolean, permits: boolean): LockAdapter =>
  new Proxy(right, {
    get(target, name) {
      if (name === 'capabilities') return { ...target.capabilities, shared, permits };
      return Reflect.get(target, name);
    },
  });

/** What lock-core keeps of modes, and whoever wraps it may not. */
export const modeLocksMutants: readonly Mutant[] = [
  {
    bug: 'an exclusive request in a shared hold waits for that hold to end',
    seenIn: 'H96, Redisson #4796',
    base: 'claims',
    caughtBy: ['LK-0226'],
    message: /an exclusive request in a shared hold is refused at once/,
    locks(adapter, options) {
      const locks = createLocks(adapter, options);
      return withOptions(locks, (asked) =>
        asked.mode === 'shared' ? asked : { ...asked, owner: locks.createOwner() },
      );
    },
  },
  {
    bug: 'a nested shared request waits behind a writer that waits for the outer one',
    seenIn: 'H97',
    base: 'claims',
    caughtBy: ['LK-0226'],
    message: /a nested reader passes a writer that waits/,
    locks(adapter, options) {
      const locks = createLocks(adapter, options);
      return withOptions(locks, (asked) =>
        asked.mode === 'shared' ? { ...asked, owner: locks.createOwner() } : asked,
      );
    },
  },
  {
    bug: 'where there are no shared locks, an exclusive one is given without a word',
    seenIn: 'H88',
    base: 'table',
    caughtBy: ['LK-0230'],
    message: /A shared lock must be refused with LOCK_UNSUPPORTED/,
    locks: (adapter, options) =>
      withOptions(createLocks(adapter, options), (asked) => ({ ...asked, mode: 'exclusive' })),
  },
  {
    bug: 'where there are no permits, a semaphore is a lock',
    seenIn: 'H88',
    base: 'table',
    caughtBy: ['LK-0231'],
    message: /A semaphore must be refused with LOCK_UNSUPPORTED/,
    locks(adapter, options) {
      const locks = createLocks(adapter, options);
      const semaphore = (key: string, limit: number): Semaphore => {
        const asked = ({ permits: _, ...rest }: { permits?: number | undefined } = {}) => rest;
        return {
          key,
          limit,
          acquire: (given) => locks.acquire(key, asked(given)),
          tryAcquire: (given) => locks.tryAcquire(key, asked(given)),
          using: async () => Promise.reject(new Error('not made')),
          inspect: () => locks.inspect(key),
        };
      };
      return { ...locks, semaphore };
    },
  },
  {
    bug: 'a mode is sent to every backend, whatever that declares',
    seenIn: 'H88',
    base: 'claims',
    caughtBy: ['LK-0233'],
    message: /must be refused with LOCK_UNSUPPORTED/,
    locks: (adapter, options) => createLocks(declaring(adapter, true, true), options),
  },
  {
    bug: 'a limit that makes no sense is made one that does',
    seenIn: 'H8',
    base: 'claims',
    caughtBy: ['LK-0232'],
    message: /A limit of .* must be refused with LOCK_INVALID_ARGUMENT/,
    locks(adapter, options) {
      const locks = createLocks(adapter, options);
      return { ...locks, semaphore: (key, limit) => locks.semaphore(key, Math.max(1, Math.round(Number(limit)) || 1)) };
    },
  },
];
