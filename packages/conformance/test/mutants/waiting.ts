import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { AcquireAttempt, Granted, LockAdapter } from '@holdfast/lock-core';
import type { Mutant } from './mutant.ts';

const POLL_MS = 50;
const never = new AbortController().signal;

/** Waiters of all clients, for the mutant that serves the last one first. */
const stack: AcquireAttempt[] = [];

async function fromTheTop(right: LockAdapter, attempt: AcquireAttempt, signal: AbortSignal): Promise<Granted> {
  stack.push(attempt);
  try {
    for (;;) {
      signal.throwIfAborted();
      const isTop = stack.findLast(({ key }) => key === attempt.key) === attempt;
      const outcome = isTop ? await right.tryAcquire(attempt) : undefined;
      if (outcome?.status === 'granted') return outcome;
      await sleep(1);
    }
  } finally {
    stack.splice(stack.indexOf(attempt), 1);
  }
}

/** Bugs of queues and of wake-ups. */
export const waitingMutants: readonly Mutant[] = [
  {
    bug: 'the queue serves the last one first',
    seenIn: 'never published',
    base: 'queue',
    caughtBy: ['LK-0069', 'LK-0070'],
    message: /order of service was another/,
    adapter: (right) => ({
      enqueue(attempt, signal) {
        attempt.onQueued?.();
        return fromTheTop(right, attempt, signal);
      },
      // It does not know its own length.
      async inspect(key) {
        const info = await right.inspect?.(key);
        return info && { ...info, waiters: undefined };
      },
    }),
  },
  {
    bug: 'the queue is a poll: whoever asks in between passes it',
    seenIn: 'H77',
    base: 'queue',
    caughtBy: ['LK-0070'],
    message: /somebody was queued before/,
    adapter: (right) => ({
      async enqueue(attempt, signal) {
        attempt.onQueued?.();
        for (;;) {
          const outcome = await right.tryAcquire(attempt);
          if (outcome.status === 'granted') return outcome;
          await sleep(POLL_MS, undefined, { signal });
        }
      },
      async inspect(key) {
        const info = await right.inspect?.(key);
        return info && { ...info, waiters: undefined };
      },
    }),
  },
  {
    bug: 'an aborted waiter stays in the queue',
    seenIn: 'H42',
    base: 'queue',
    caughtBy: ['LK-0071', 'LK-0073', 'LK-0076'],
    message: /the next in the queue is served|must reject/,
    adapter: (right) => ({
      enqueue(attempt, signal) {
        const aborted = new Promise<never>((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        });
        return Promise.race([right.enqueue!(attempt, never), aborted]);
      },
    }),
  },
  {
    bug: 'a release does not withdraw the place in the queue',
    seenIn: 'H42, H64',
    base: 'queue',
    caughtBy: ['LK-0072'],
    message: /given back its place/,
    adapter: (right) => ({
      async release(hold) {
        const holder = await right.inspect?.(hold.key);
        return holder?.owner === hold.owner ? right.release(hold) : 'not-held';
      },
    }),
  },
  {
    bug: 'a release that overtakes the enqueue of its owner finds no place, which is taken then',
    seenIn: 'H42, H64',
    base: 'queue',
    caughtBy: ['LK-0372'],
    message: /granted the key after its release/,
    adapter: (right) => ({
      async enqueue(attempt, signal) {
        await nextTurn();
        return right.enqueue!(attempt, signal);
      },
    }),
  },
  {
    bug: 'the holder that asks the queue again waits for itself',
    seenIn: 'H64',
    base: 'queue',
    caughtBy: ['LK-0028'],
    message: /Not within .* own enqueue/,
    adapter: (right) => ({
      async enqueue(attempt, signal) {
        while ((await right.inspect?.(attempt.key))?.owner === attempt.owner) await sleep(5, undefined, { signal });
        return right.enqueue!(attempt, signal);
      },
    }),
  },
  {
    bug: 'the queue grants without any validity',
    seenIn: 'H77',
    base: 'queue',
    caughtBy: ['LK-0070'],
    message: /granted a validity of 0 ms/,
    adapter: (right) => ({
      enqueue: async (attempt, signal) => ({ ...(await right.enqueue!(attempt, signal)), validForMs: 0 }),
    }),
  },
  {
    bug: 'the queue never says that a place in it is confirmed',
    seenIn: 'never published',
    base: 'queue',
    caughtBy: ['LK-0113'],
    message: /onQueued is called/,
    adapter: (right) => ({
      enqueue: (attempt, signal) => right.enqueue!({ ...attempt, onQueued: undefined }, signal),
    }),
  },
  {
    bug: 'one waiter that leaves takes the whole queue with it',
    seenIn: 'H40',
    base: 'queue',
    caughtBy: ['LK-0067', 'LK-0111'],
    message: /Not within .* patient waiters are served/,
    adapter(right) {
      const gone = new Set<string>();
      return {
        async enqueue(attempt, signal) {
          signal.addEventListener('abort', () => gone.add(attempt.key), { once: true });
          const granted = await right.enqueue!(attempt, signal);
          if (!gone.has(attempt.key)) return granted;
          await right.release(attempt);
          return new Promise<never>(() => {});
        },
      };
    },
  },
  {
    bug: 'every fifth waiter is forgotten',
    seenIn: 'H37',
    base: 'queue',
    caughtBy: ['LK-0066'],
    message: /Not within .* all 30 waiters are served/,
    adapter(right) {
      let count = 0;
      return {
        async enqueue(attempt, signal) {
          const forgotten = ++count % 5 === 0;
          const granted = await right.enqueue!(attempt, signal);
          if (!forgotten) return granted;
          await right.release(attempt);
          return new Promise<never>(() => {});
        },
      };
    },
  },
  {
    bug: 'hints of releases never arrive',
    seenIn: 'H38',
    base: 'hints',
    caughtBy: ['LK-0068'],
    message: /Not within .* the hint of release 0 arrives/,
    adapter(right) {
      const standing = new Set<AbortSignal>();
      return {
        async whenFree(key, signal) {
          if (!standing.has(signal)) {
            standing.add(signal);
            return right.whenFree!(key, signal);
          }
          return new Promise((_, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason), { once: true });
          });
        },
      };
    },
  },
  {
    bug: 'a subscription is over after its first hint',
    seenIn: 'H40',
    base: 'hints',
    caughtBy: ['LK-0068'],
    message: /Not within .* the hint of release 1 arrives/,
    adapter(right) {
      const calls = new Map<AbortSignal, number>();
      return {
        async whenFree(key, signal) {
          const call = (calls.get(signal) ?? 0) + 1;
          calls.set(signal, call);
          if (call <= 2) return right.whenFree!(key, signal);
          return new Promise((_, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason), { once: true });
          });
        },
      };
    },
  },
];
