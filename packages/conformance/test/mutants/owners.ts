import { createLocks, type LockAdapter, type LockOwner } from '@holdfast/lock-core';
import { asUsing, usingOf, withOptions } from './change-locks.ts';
import type { Mutant } from './mutant.ts';

const DIGITS = 8;

/** An adapter that is told other owners than it was given. */
const withOwners = (adapter: LockAdapter, ownerOf: (owner: string) => string): LockAdapter => ({
  ...adapter,
  tryAcquire: (attempt) => adapter.tryAcquire({ ...attempt, owner: ownerOf(attempt.owner) }),
  renew: (hold, ttlMs) => adapter.renew({ ...hold, owner: ownerOf(hold.owner) }, ttlMs),
  renewMany: (holds, ttlMs) =>
    Promise.all(holds.map((hold) => adapter.renew({ ...hold, owner: ownerOf(hold.owner) }, ttlMs))),
  release: (hold) => adapter.release({ ...hold, owner: ownerOf(hold.owner) }),
});

/** Bugs in who is who: owner values, reentrancy, and `using`. */
export const ownerMutants: readonly Mutant[] = [
  {
    bug: 'owner values of 32 bits',
    seenIn: 'H3',
    base: 'table',
    caughtBy: ['LK-0023'],
    message: /cannot carry 128 random bits/,
    locks: (adapter, options) =>
      createLocks(
        withOwners(adapter, (owner) => owner.slice(-DIGITS)),
        options,
      ),
  },
  {
    bug: 'one owner value for all holds of a client',
    seenIn: 'H3, H59',
    base: 'table',
    caughtBy: ['LK-0023'],
    message: /201 holds had 1 owner values/,
    locks(adapter, options) {
      let first: string | undefined;
      return createLocks(
        withOwners(adapter, (owner) => {
          first ??= owner;
          return first;
        }),
        options,
      );
    },
  },
  {
    bug: 'all tasks of a client are one owner, and enter each other’s locks',
    seenIn: 'H59, etcd’s session, spring-integration',
    base: 'table',
    caughtBy: ['LK-0081', 'LK-0008', 'LK-0010'],
    message: /entered the lock of the first/,
    locks(adapter, options) {
      const locks = createLocks(adapter, options);
      const everybody = locks.createOwner();
      return withOptions(locks, (asked) => ({ ...asked, owner: everybody }));
    },
  },
  {
    bug: 'every lock object is an owner of its own: what is nested waits for itself',
    seenIn: 'H60, node-redisson',
    base: 'table',
    caughtBy: ['LK-0079'],
    message: /Not within .* the nested using ends/,
    locks(adapter, options) {
      const locks = createLocks(adapter, options);
      return withOptions(locks, (asked) => ({ ...asked, owner: locks.createOwner() }));
    },
  },
  {
    bug: 'an owner that was bound once stays bound for everybody',
    seenIn: 'H59',
    base: 'table',
    caughtBy: ['LK-0082'],
    message: /leaked out of run/,
    locks(adapter, options) {
      const locks = createLocks(adapter, options);
      let bound: LockOwner | undefined;
      const leaking = withOptions(locks, (asked) => ({ ...asked, owner: asked.owner ?? bound }));
      const createOwner = (label?: string): LockOwner => {
        const owner = locks.createOwner(label);
        const run = <T>(fn: () => T): T => {
          bound = owner;
          return fn();
        };
        return Object.assign(owner, { run });
      };
      return { ...leaking, createOwner };
    },
  },
  {
    bug: '`reentrant: false` has no effect',
    seenIn: 'H57',
    base: 'table',
    caughtBy: ['LK-0083'],
    message: /reentrant: false must fail/,
    locks: (adapter, options) =>
      withOptions(createLocks(adapter, options), (asked) => ({ ...asked, reentrant: undefined })),
  },
  {
    bug: '`using` gives back nothing',
    seenIn: 'H56',
    base: 'table',
    caughtBy: ['LK-0085', 'LK-0087'],
    message: /must give back what its body returns/,
    locks(adapter, options) {
      const locks = createLocks(adapter, options);
      const using = usingOf(locks);
      return { ...locks, using: asUsing(async (key, asked, body) => void (await using(key, asked, body))) };
    },
  },
  {
    bug: '`using` replaces the result and the error of its body by that of the release',
    seenIn: 'H56, node-redlock, verrou',
    base: 'table',
    caughtBy: ['LK-0087', 'LK-0088'],
    message: /no longer held/,
    locks(adapter, options) {
      const locks = createLocks(adapter, options);
      const using = asUsing(async (key, asked, body) => {
        const lock = await locks.acquire(key, asked);
        const settled = await Promise.allSettled([lock.owner.run(async () => body(lock))]);
        if ((await lock.release()) === 'lost') throw new Error(`"${key}" is no longer held`);
        if (settled[0].status === 'rejected') throw settled[0].reason;
        return settled[0].value;
      });
      return { ...locks, using };
    },
  },
  {
    bug: '`using` wraps the error of its body',
    seenIn: 'H56, etcd3',
    base: 'table',
    caughtBy: ['LK-0086', 'LK-0088'],
    message: /must rethrow the very error of its body/,
    locks(adapter, options) {
      const locks = createLocks(adapter, options);
      const using = usingOf(locks);
      const wrapping = asUsing((key, asked, body) =>
        using(key, asked, body).catch((cause: unknown) => {
          throw new Error(`The task under "${key}" failed`, { cause });
        }),
      );
      return { ...locks, using: wrapping };
    },
  },
  {
    bug: '`using` does not release when its body throws',
    seenIn: 'H56',
    base: 'table',
    caughtBy: ['LK-0086'],
    message: /must rethrow the very error of its body, and release/,
    locks(adapter, options) {
      const locks = createLocks(adapter, options);
      const using = asUsing(async (key, asked, body) => {
        const lock = await locks.acquire(key, asked);
        const result = await lock.owner.run(() => body(lock));
        await lock.release();
        return result;
      });
      return { ...locks, using };
    },
  },
];
