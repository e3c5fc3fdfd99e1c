import { setTimeout as sleep } from 'node:timers/promises';
import type { AcquireAttempt, Granted, LockAdapter } from '@holdfast/lock-core';
import type { Mutant } from './mutant.ts';

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

/** Bugs of a queue, on the memory adapter. */
export const queueMutants: readonly Mutant[] = [
  {
    bug: 'the queue serves the last one first',
    caughtBy: ['LK-0069', 'LK-0070'],
    message: /order of service was another/,
    mutate: (right) => ({
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
    bug: 'H42: an aborted waiter stays in the queue',
    caughtBy: ['LK-0071', 'LK-0073'],
    message: /the next in the queue is served|must reject/,
    mutate: (right) => ({
      enqueue(attempt, signal) {
        const aborted = new Promise<never>((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        });
        return Promise.race([right.enqueue!(attempt, never), aborted]);
      },
    }),
  },
  {
    bug: 'H42: a release does not withdraw the place in the queue',
    caughtBy: ['LK-0072'],
    message: /given back its place/,
    mutate: (right) => ({
      async release(hold) {
        const holder = await right.inspect?.(hold.key);
        return holder?.owner === hold.owner ? right.release(hold) : 'not-held';
      },
    }),
  },
  {
    bug: 'H64: the holder that asks the queue again waits for itself',
    caughtBy: ['LK-0028'],
    message: /Not within .* own enqueue/,
    mutate: (right) => ({
      async enqueue(attempt, signal) {
        while ((await right.inspect?.(attempt.key))?.owner === attempt.owner) await sleep(5, undefined, { signal });
        return right.enqueue!(attempt, signal);
      },
    }),
  },
  {
    bug: 'the queue grants without any validity',
    caughtBy: ['LK-0070'],
    message: /granted a validity of 0 ms/,
    mutate: (right) => ({
      enqueue: async (attempt, signal) => ({ ...(await right.enqueue!(attempt, signal)), validForMs: 0 }),
    }),
  },
  {
    bug: 'the queue never says that a place in it is confirmed',
    caughtBy: ['LK-0113'],
    message: /onQueued is called/,
    mutate: (right) => ({
      enqueue: (attempt, signal) => right.enqueue!({ ...attempt, onQueued: undefined }, signal),
    }),
  },
];
