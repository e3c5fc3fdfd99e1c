import type { LockAdapter } from '@holdfast/lock-core';
import type { Mutant } from './mutant.ts';
import { liveRow } from './table-adapter.ts';

/** Applies a change to every key before the right adapter sees it. */
const withKeys = (right: LockAdapter, keyOf: (key: string) => string): Partial<LockAdapter> => ({
  tryAcquire: (attempt) => right.tryAcquire({ ...attempt, key: keyOf(attempt.key) }),
  renew: (hold, ttlMs) => right.renew({ ...hold, key: keyOf(hold.key) }, ttlMs),
  release: (hold) => right.release({ ...hold, key: keyOf(hold.key) }),
});

/** Bugs in tokens, times, names and reports. */
export const valueMutants: readonly Mutant[] = [
  {
    bug: 'H62: the token counter belongs to the key and goes with it',
    caughtBy: ['LK-0053', 'LK-0055', 'LK-0058'],
    message: /the token went from/,
    mutate: (right, table) => ({
      tryAcquire(attempt) {
        if (!liveRow(table, attempt.key)) table.lastToken = 0n;
        return right.tryAcquire(attempt);
      },
    }),
  },
  {
    bug: 'H62: a re-entry takes a new token',
    caughtBy: ['LK-0024', 'LK-0026'],
    message: /changed the fencing token/,
    mutate: (right, table) => ({
      async tryAcquire(attempt) {
        const row = liveRow(table, attempt.key);
        if (row?.owner === attempt.owner) row.token = ++table.lastToken;
        return right.tryAcquire(attempt);
      },
    }),
  },
  {
    bug: 'a block of tokens is promised, but the counter moves on by one',
    caughtBy: ['LK-0056'],
    message: /the token went from/,
    mutate: (right, table) => ({
      async tryAcquire(attempt) {
        const before = table.lastToken;
        const outcome = await right.tryAcquire(attempt);
        if (table.lastToken > before) table.lastToken = before + 1n;
        return outcome;
      },
    }),
  },
  {
    bug: 'H28: a grant without any validity',
    caughtBy: ['LK-0018', 'LK-0038'],
    message: /without any validity/,
    mutate: (right) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        return outcome.status === 'granted' ? { ...outcome, validForMs: -1 } : outcome;
      },
    }),
  },
  {
    bug: 'H47: the validity that is promised is longer than the lease',
    caughtBy: ['LK-0012', 'LK-0038'],
    message: /before the lease could have ended/,
    mutate: (right) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        return outcome.status === 'granted' ? { ...outcome, validForMs: 1.5 * outcome.validForMs } : outcome;
      },
    }),
  },
  {
    bug: 'all keys are one lock',
    caughtBy: ['LK-0009', 'LK-0089'],
    message: /Not within .* a free key is granted/,
    mutate: (right) => withKeys(right, () => 'the only one'),
  },
  {
    bug: 'H86: keys are folded to lower case',
    caughtBy: ['LK-0089'],
    message: /shares a lock with/,
    mutate: (right) => withKeys(right, (key) => key.toLowerCase()),
  },
  {
    bug: 'H86: keys are trimmed',
    caughtBy: ['LK-0089'],
    message: /shares a lock with/,
    mutate: (right) => withKeys(right, (key) => key.trim()),
  },
  {
    bug: 'H86: keys are normalised as paths',
    caughtBy: ['LK-0089'],
    message: /shares a lock with/,
    mutate: (right) => withKeys(right, (key) => key.replace(/\/+/g, '/')),
  },
  {
    bug: 'H86: keys are normalised as Unicode',
    caughtBy: ['LK-0089'],
    message: /shares a lock with/,
    mutate: (right) => withKeys(right, (key) => key.normalize('NFC')),
  },
  {
    bug: 'H86: keys are cut off',
    caughtBy: ['LK-0090'],
    message: /shares its lock/,
    mutate: (right) => withKeys(right, (key) => key.slice(0, 1_000)),
  },
  {
    bug: 'H24: inspect does not notice the expiry',
    caughtBy: ['LK-0101'],
    message: /reports the expired key as free/,
    mutate: (_, { rows }) => ({
      async inspect(key) {
        const row = rows.get(key);
        return row && { key, owner: row.owner, remainingMs: 1, fencingToken: row.token, waiters: undefined };
      },
    }),
  },
  {
    bug: 'a forced release answers yes whatever it found, and frees nothing',
    caughtBy: ['LK-0055', 'LK-0102', 'LK-0103'],
    message: /Not within/,
    mutate: () => ({ forceRelease: async () => true }),
  },
  {
    bug: 'H55: a timer stays after close',
    caughtBy: ['LK-0109'],
    message: /let go of its sockets and timers/,
    mutate: () => {
      const timer = setInterval(() => {}, 60_000);
      leftovers.push(() => clearInterval(timer));
      return {};
    },
  },
];

/** What the mutants leave behind, for the test to clear away. */
export const leftovers: (() => void)[] = [];
