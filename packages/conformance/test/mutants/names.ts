import type { LockAdapter } from '@holdfast/lock-core';
import type { Mutant } from './mutant.ts';

/** Applies a change to every key before the right adapter sees it. */
const withKeys = (right: LockAdapter, keyOf: (key: string) => string): Partial<LockAdapter> => ({
  tryAcquire: (attempt) => right.tryAcquire({ ...attempt, key: keyOf(attempt.key) }),
  renew: (hold, ttlMs) => right.renew({ ...hold, key: keyOf(hold.key) }, ttlMs),
  release: (hold) => right.release({ ...hold, key: keyOf(hold.key) }),
});

const refuseDots = (key: string): void => {
  if (key === '.' || key === '..') throw new Error(`Path component ${key} is not allowed`);
};

/** Bugs in what stands for a key. */
export const nameMutants: readonly Mutant[] = [
  {
    bug: 'all keys are one lock',
    seenIn: 'H86',
    base: 'table',
    caughtBy: ['LK-0009', 'LK-0089'],
    message: /Not within .* a free key is granted/,
    adapter: (right) => withKeys(right, () => 'the only one'),
  },
  {
    bug: 'keys are folded to lower case',
    seenIn: 'H86',
    base: 'table',
    caughtBy: ['LK-0089'],
    message: /shares a lock with/,
    adapter: (right) => withKeys(right, (key) => key.toLowerCase()),
  },
  {
    bug: 'keys are trimmed',
    seenIn: 'H86',
    base: 'table',
    caughtBy: ['LK-0089'],
    message: /shares a lock with/,
    adapter: (right) => withKeys(right, (key) => key.trim()),
  },
  {
    bug: 'keys are normalised as paths',
    seenIn: 'H86',
    base: 'table',
    caughtBy: ['LK-0089'],
    message: /shares a lock with/,
    adapter: (right) => withKeys(right, (key) => key.replace(/\/+/g, '/')),
  },
  {
    bug: 'keys are normalised as Unicode',
    seenIn: 'H86',
    base: 'table',
    caughtBy: ['LK-0089'],
    message: /shares a lock with/,
    adapter: (right) => withKeys(right, (key) => key.normalize('NFC')),
  },
  {
    bug: 'keys are cut off',
    seenIn: 'H86',
    base: 'table',
    caughtBy: ['LK-0090'],
    message: /shares its lock/,
    adapter: (right) => withKeys(right, (key) => key.slice(0, 1_000)),
  },
  {
    bug: 'names that mean something to the backend are refused',
    seenIn: 'H86',
    base: 'table',
    caughtBy: ['LK-0091'],
    message: /not allowed/,
    adapter: (right) => ({
      async tryAcquire(attempt) {
        refuseDots(attempt.key);
        return right.tryAcquire(attempt);
      },
    }),
  },
  {
    bug: 'acquire and renew make different backend keys of a name with braces',
    seenIn: 'H17',
    base: 'table',
    caughtBy: ['LK-0092', 'LK-0089'],
    message: /is lost: the backend says/,
    adapter: (right) => ({
      renew: (hold, ttlMs) => right.renew({ ...hold, key: hold.key.replace(/[{}]/g, '') }, ttlMs),
    }),
  },
];
