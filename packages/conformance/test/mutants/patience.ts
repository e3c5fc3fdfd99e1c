import { createLocks, type Lock } from '@holdfast/lock-core';
import { asUsing, usingOf, withHandles, withOptions } from './change-locks.ts';
import type { Mutant } from './mutant.ts';

/** Bugs in waiting, giving up, renewing by itself and closing, as an application sees them. */
export const patienceMutants: readonly Mutant[] = [
  {
    bug: 'the time of waiting is counted twice',
    seenIn: 'H41, node-redisson',
    base: 'table',
    caughtBy: ['LK-0062', 'LK-0064'],
    message: /LOCK_TIMEOUT after .* instead of/,
    locks: (adapter, options) =>
      withOptions(createLocks(adapter, options), (asked) => ({
        ...asked,
        waitMs: asked.waitMs === undefined ? undefined : asked.waitMs / 2,
      })),
  },
  {
    bug: '`waitMs: 0` means for ever',
    seenIn: 'H8',
    base: 'table',
    caughtBy: ['LK-0063'],
    message: /Not within .* LOCK_TIMEOUT comes/,
    locks: (adapter, options) =>
      withOptions(createLocks(adapter, options), (asked) => ({ ...asked, waitMs: asked.waitMs || undefined })),
  },
  {
    bug: 'waiters of one client are served last come, first served',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0065'],
    message: /order of service/,
    locks(adapter, options) {
      const locks = createLocks(adapter, options);
      const using = usingOf(locks);
      const arrived: (() => void)[] = [];
      // Those that arrive in one turn are sent in the order of a stack.
      const inTurn = () =>
        new Promise<void>((resolve) => {
          if (arrived.push(resolve) === 1)
            queueMicrotask(() =>
              arrived
                .splice(0)
                .reverse()
                .map((go) => go()),
            );
        });
      return { ...locks, using: asUsing((key, asked, body) => inTurn().then(() => using(key, asked, body))) };
    },
  },
  {
    bug: 'aborted waiting rejects with an error of the library',
    seenIn: 'redis-semaphore',
    base: 'table',
    caughtBy: ['LK-0074', 'LK-0078'],
    message: /must reject with the signal’s own reason/,
    locks(adapter, options) {
      const locks = createLocks(adapter, options);
      return {
        ...locks,
        acquire: (key, asked) =>
          locks.acquire(key, asked).catch((error: unknown) => {
            throw asked?.signal?.aborted ? new Error(`Waiting for "${key}" was aborted`) : error;
          }),
      };
    },
  },
  {
    bug: 'the signal is not looked at while it waits',
    seenIn: 'H42, SyncGuard',
    base: 'table',
    caughtBy: ['LK-0074', 'LK-0076', 'LK-0077'],
    message: /Not within .* the aborted acquire rejects/,
    locks: (adapter, options) =>
      withOptions(createLocks(adapter, options), (asked) => ({
        ...asked,
        signal: asked.signal?.aborted ? asked.signal : undefined,
      })),
  },
  {
    bug: 'an abort gives up the waiting but not the request: the lock that it gets is nobody’s',
    seenIn: 'H11, H42',
    base: 'table',
    caughtBy: ['LK-0076', 'LK-0077'],
    message: /all its waiters gave up, and its holder released it/,
    locks(adapter, options) {
      const locks = createLocks(adapter, options);
      return {
        ...locks,
        acquire(key, asked) {
          const { signal } = asked ?? {};
          if (!signal || signal.aborted) return locks.acquire(key, asked);
          const aborted = new Promise<never>((_, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason), { once: true });
          });
          return Promise.race([locks.acquire(key, { ...asked, signal: undefined }), aborted]);
        },
      };
    },
  },
  {
    bug: 'the signal is looked at after the request was sent',
    seenIn: 'H11, H27',
    base: 'table',
    caughtBy: ['LK-0075'],
    message: /sent, although its signal was aborted/,
    locks(adapter, options) {
      const locks = createLocks(adapter, options);
      const asking = async <T extends Lock | undefined>(signal: AbortSignal | undefined, ask: () => Promise<T>) => {
        const lock = await ask();
        if (!signal?.aborted) return lock;
        await lock?.release();
        throw signal.reason;
      };
      const unaborted = (asked: object) => ({ ...asked, signal: undefined });
      return {
        ...locks,
        acquire: (key, asked) =>
          asked?.signal?.aborted
            ? asking(asked.signal, () => locks.acquire(key, unaborted(asked)))
            : locks.acquire(key, asked),
        tryAcquire: (key, asked) =>
          asked?.signal?.aborted
            ? asking(asked.signal, () => locks.tryAcquire(key, unaborted(asked)))
            : locks.tryAcquire(key, asked),
      };
    },
  },
  {
    bug: 'what this client holds is asked for all the same',
    seenIn: 'H39',
    base: 'table',
    caughtBy: ['LK-0116'],
    message: /asked for a key that this client holds/,
    locks(adapter, options) {
      const locks = createLocks(adapter, options);
      const others = createLocks(adapter, options);
      return {
        ...locks,
        tryAcquire: async (key, asked) => {
          const busy = (await locks.inspect(key).catch(() => undefined)) !== undefined;
          return busy ? others.tryAcquire(key, asked) : locks.tryAcquire(key, asked);
        },
      };
    },
  },
  {
    bug: '`maxHoldMs` has no effect: the watchdog of a hung task goes on for ever',
    seenIn: 'H50',
    base: 'table',
    caughtBy: ['LK-0046', 'LK-0084'],
    message: /the waiter gets in/,
    locks: (adapter, options) =>
      withOptions(createLocks(adapter, options), (asked) => ({ ...asked, maxHoldMs: undefined })),
  },
  {
    bug: 'the watchdog cannot be turned off',
    seenIn: 'H50',
    base: 'table',
    caughtBy: ['LK-0019', 'LK-0048'],
    message: /Not within .* gets the expired lock/,
    locks: (adapter, options) =>
      withOptions(createLocks(adapter, options), (asked) => ({ ...asked, autoRenew: undefined })),
  },
  {
    bug: 'the watchdog renews nothing',
    seenIn: 'H51, H81',
    base: 'table',
    caughtBy: ['LK-0043', 'LK-0044'],
    message: /let in while the watchdog kept the lock/,
    locks: (adapter, options) =>
      withOptions(createLocks(adapter, options), (asked) => ({ ...asked, autoRenew: false })),
  },
  {
    bug: 'the interval of the watchdog is longer than a timer can be, and fires at once, again and again',
    seenIn: 'H9, H10, redis-semaphore',
    base: 'table',
    caughtBy: ['LK-0047'],
    message: /renewals of a lease of .* days in a moment/,
    locks: (adapter, options) =>
      withHandles(createLocks(adapter, options), (lock, asked) => {
        const watchdog = setInterval(
          () => lock.renew().catch(() => clearInterval(watchdog)),
          0.8 * (asked?.ttlMs ?? 0) || 30_000,
        );
        return {};
      }),
  },
  {
    bug: 'the watchdog outlives the lock',
    seenIn: 'H54, Redisson #7272, redlock-universal',
    base: 'table',
    caughtBy: ['LK-0045'],
    message: /Commands for a hold after its release/,
    locks: (adapter, options) =>
      createLocks(
        {
          ...adapter,
          async release(hold) {
            const outcome = await adapter.release(hold);
            setTimeout(() => adapter.renew(hold, 1_000).catch(() => {}), 100);
            return outcome;
          },
        },
        options,
      ),
  },
  {
    bug: 'a renewal of the watchdog that fails is rejected with nobody listening',
    seenIn: 'H53, redis-semaphore #199',
    base: 'table',
    caughtBy: ['LK-0112'],
    message: /rejected with nobody listening/,
    locks: (adapter, options) =>
      withHandles(createLocks(adapter, options), (lock, asked) => {
        if (asked?.autoRenew === false) return {};
        const watchdog = setInterval(() => void lock.renew(), (asked?.ttlMs ?? 60_000) / 3);
        lock.signal.addEventListener('abort', () => setTimeout(() => clearInterval(watchdog), 1_000), { once: true });
        return {};
      }),
  },
  {
    bug: 'close does nothing',
    seenIn: 'H55',
    base: 'table',
    caughtBy: ['LK-0107', 'LK-0105', 'LK-0106', 'LK-0108'],
    message: /says that it is held/,
    locks: (adapter, options) => ({ ...createLocks(adapter, options), close: async () => {} }),
  },
  {
    bug: 'a timer for each lock is left after close',
    seenIn: 'H43, H55',
    base: 'table',
    caughtBy: ['LK-0108'],
    message: /Not within .* no timer is left/,
    locks: (adapter, options) =>
      withHandles(createLocks(adapter, options), () => {
        options.clock?.setTimeout(() => {}, 3_600_000);
        return {};
      }),
  },
  {
    bug: 'what the adapter cannot tell is told all the same: every key is free',
    seenIn: 'H24, H87',
    base: 'quorum',
    caughtBy: ['LK-0104'],
    message: /must say so, and not guess/,
    locks: (adapter, options) => ({ ...createLocks(adapter, options), inspect: async () => undefined }),
  },
];
