import { createLocks, type Lock, LockError } from '@holdfast/lock-core';
import { withHandles } from './change-locks.ts';
import type { Mutant } from './mutant.ts';

/** Bugs in the handle of a lock. */
export const handleMutants: readonly Mutant[] = [
  {
    bug: 'the handle believes that it holds after it has lost',
    seenIn: 'H45, H68, Curator’s isAcquiredInThisProcess',
    base: 'table',
    caughtBy: ['LK-0048', 'LK-0049', 'LK-0052', 'LK-0084'],
    message: /assertHeld does not throw/,
    locks: (adapter, options) => withHandles(createLocks(adapter, options), () => ({ state: 'held', assertHeld() {} })),
  },
  {
    bug: 'a loss is noticed when somebody looks, every five seconds, and not at the end of the lease',
    seenIn: 'H45, H46',
    base: 'table',
    caughtBy: ['LK-0048', 'LK-0049'],
    message: /signal of its old holder has not aborted/,
    locks: (adapter, options) => withHandles(createLocks(adapter, options), (lock) => ({ signal: lateSignal(lock) })),
  },
  {
    bug: 'the time left is the TTL for ever',
    seenIn: 'H47',
    base: 'table',
    caughtBy: ['LK-0051', 'LK-0034'],
    message: /time left does not count down/,
    locks: (adapter, options) =>
      withHandles(createLocks(adapter, options), (lock) => ({ remainingMs: lock.remainingMs })),
  },
  {
    bug: 'the token is looked up when it is asked for: a late holder reads its successor’s',
    seenIn: 'H61, Redisson’s getToken',
    base: 'table',
    caughtBy: ['LK-0057'],
    message: /token of a lost lock changed/,
    locks: (adapter, options, inside) =>
      withHandles(createLocks(adapter, options), (lock) => ({
        get fencingToken() {
          return inside.rows.get(lock.key)?.token ?? lock.fencingToken;
        },
      })),
  },
  {
    bug: 'to release a lost lock throws',
    seenIn: 'H14, H56, node-redlock',
    base: 'table',
    caughtBy: ['LK-0052', 'LK-0019', 'LK-0048', 'LK-0049'],
    message: /lost before its release/,
    locks: (adapter, options) =>
      withHandles(createLocks(adapter, options), (lock) => ({
        async release() {
          const outcome = await lock.release();
          if (outcome === 'lost') throw new LockError('LOCK_LOST', `"${lock.key}" was lost before its release`);
          return outcome;
        },
      })),
  },
  {
    bug: 'a second release of a lock gives another answer than the first',
    seenIn: 'H14, verrou',
    base: 'table',
    caughtBy: ['LK-0034'],
    message: /repeated release must give the same answer/,
    locks: (adapter, options) =>
      withHandles(createLocks(adapter, options), (lock) => {
        let released = false;
        return {
          async release() {
            if (released) return 'lost';
            released = true;
            return lock.release();
          },
        };
      }),
  },
  {
    bug: 'the end of the block releases nothing',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0035'],
    message: /Not within .* the lock is free/,
    locks: (adapter, options) =>
      withHandles(createLocks(adapter, options), () => ({ async [Symbol.asyncDispose]() {} })),
  },
  {
    bug: 'an inner release frees the lock of the outer one',
    seenIn: 'H57, H60',
    base: 'table',
    caughtBy: ['LK-0080'],
    message: /outermost hold is still there/,
    locks: (adapter, options) =>
      withHandles(createLocks(adapter, options), (lock) => ({
        async release() {
          const outcome = await lock.release();
          await adapter.forceRelease?.(lock.key);
          return outcome;
        },
      })),
  },
  {
    bug: 'renew does not look at the TTL that it is given',
    seenIn: 'H82',
    base: 'table',
    caughtBy: ['LK-0042'],
    message: /of .* ms left/,
    locks: (adapter, options) => withHandles(createLocks(adapter, options), (lock) => ({ renew: () => lock.renew() })),
  },
  {
    bug: 'a re-entry changes the lease of the hold',
    seenIn: 'H60',
    base: 'table',
    caughtBy: ['LK-0117'],
    message: /the TTL of the inner one ended the hold/,
    locks: (adapter, options) =>
      withHandles(createLocks(adapter, options), (lock, asked) => {
        if (asked?.owner && asked.ttlMs !== undefined && asked.autoRenew === false) void lock.renew(asked.ttlMs);
        return {};
      }),
  },
];

/** The signal of a lock, looked at every five seconds only. */
function lateSignal({ signal }: Lock): AbortSignal {
  const late = new AbortController();
  const look = setInterval(() => {
    if (!signal.aborted) return;
    clearInterval(look);
    late.abort(signal.reason);
  }, 5_000);
  return late.signal;
}
