import { createLocks, type LockInfo, type Locks } from '@holdfast/lock-core';
import type { Mutant } from './mutant.ts';

/** Right locks with another list. */
const withList = (locks: Locks, list: (pattern: string) => AsyncIterable<LockInfo>): Locks => ({
  ...locks,
  list: (pattern = '*') => list(pattern),
});

/** Bugs in looking up all locks. */
export const listingMutants: readonly Mutant[] = [
  {
    bug: 'keys knows only what its own client holds',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0151', 'LK-0152'],
    message: /that were held all the while, keys left out/,
    adapter(right) {
      const mine = new Set<string>();
      return {
        async tryAcquire(attempt) {
          const outcome = await right.tryAcquire(attempt);
          if (outcome.status === 'granted') mine.add(attempt.key);
          return outcome;
        },
        keys: async () => ({ keys: [...mine], next: undefined }),
      };
    },
  },
  {
    bug: 'keys ends after its first page',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0151'],
    message: /that were held all the while, keys left out/,
    adapter: (right) => ({ keys: async () => ({ ...(await right.keys!()), next: undefined }) }),
  },
  {
    bug: 'a page of keys begins where the number of those before it says: what comes free moves the others up',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0151'],
    message: /that were held all the while, keys left out/,
    adapter: (_, { rows }) => ({
      async keys(cursor = '0') {
        const from = Number(cursor);
        const rest = [...rows.keys()].sort().slice(from);
        return { keys: rest.slice(0, 10), next: rest.length > 10 ? String(from + 10) : undefined };
      },
    }),
  },
  {
    bug: 'keys names locks by what stands for them in the backend',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0151'],
    message: /that were held all the while, keys left out/,
    adapter: (right) => ({
      async keys(cursor) {
        const { keys, next } = await right.keys!(cursor);
        return { keys: keys.map(encodeURIComponent), next };
      },
    }),
  },
  {
    bug: 'list is empty where the adapter cannot list',
    seenIn: 'H87',
    base: 'quorum',
    caughtBy: ['LK-0152'],
    message: /The adapter cannot list/,
    locks: (adapter, options) => withList(createLocks(adapter, options), async function* () {}),
  },
  {
    bug: 'list has a lock as often as keys names it',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0152'],
    message: /Locks.list of/,
    locks(adapter, options) {
      const locks = createLocks(adapter, options);
      return withList(locks, async function* (pattern) {
        for await (const info of locks.list(pattern)) yield* [info, info];
      });
    },
  },
  {
    bug: 'list takes the pattern for a regular expression',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0152'],
    message: /Locks.list of/,
    locks(adapter, options) {
      const locks = createLocks(adapter, options);
      return withList(locks, async function* (pattern) {
        const expression = new RegExp(`^${pattern.replace(/\*/g, '.*')}$`);
        for await (const info of locks.list()) if (expression.test(info.key)) yield info;
      });
    },
  },
];
