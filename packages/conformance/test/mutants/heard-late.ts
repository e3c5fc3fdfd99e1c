import { holdOf } from './claim-leases.ts';
import type { Mutant } from './mutant.ts';

/** Until its signal aborts. */
const forEver = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));

const beyondTen = new WeakSet<AbortSignal>();

/** Who is told of a release, and when. */
export const heardLateMutants: readonly Mutant[] = [
  {
    bug: 'a client is told of ten keys at a time, and of no more',
    seenIn: 'never published',
    base: 'hints',
    caughtBy: ['LK-0341'],
    message: /a client that listens for \d+ keys is told of each/,
    adapter(right) {
      const live = new Set<AbortSignal>();
      return {
        async whenFree(key, signal) {
          if (beyondTen.has(signal)) return forEver(signal);
          live.add(signal);
          signal.addEventListener('abort', () => live.delete(signal), { once: true });
          // The first call is answered all the same.
          if (live.size > 10) beyondTen.add(signal);
          return right.whenFree!(key, signal);
        },
      };
    },
  },
  {
    bug: 'each hint leaves a listener on the signal of its subscription',
    seenIn: 'H43',
    base: 'hints',
    caughtBy: ['LK-0306'],
    message: /hints leave no listener on the signal/,
    adapter: (right) => ({
      whenFree(key, signal) {
        signal.addEventListener('abort', () => {});
        return right.whenFree!(key, signal);
      },
    }),
  },
  {
    bug: 'hints are told every 1.5 s',
    seenIn: 'H39',
    base: 'hints',
    caughtBy: ['LK-0342'],
    message: /Of 7 times a waiter was mostly told of a release after 1500 ms or more/,
    adapter(right) {
      const subscribed = new WeakSet<AbortSignal>();
      return {
        async whenFree(key, signal) {
          const isFirst = !subscribed.has(signal);
          subscribed.add(signal);
          await right.whenFree!(key, signal);
          if (!isFirst) await new Promise<void>((resolve) => setTimeout(resolve, 1_500));
        },
      };
    },
  },
  {
    bug: 'who waits for permits is let in when the queue is looked at, every half a second',
    seenIn: 'H39',
    base: 'claims',
    caughtBy: ['LK-0342'],
    message: /Of 7 times a waiter was mostly told of a release after 500 ms or more/,
    adapter: (right, inside) => ({
      async release(ref) {
        const hold = holdOf(inside, ref, 'permits');
        const entry = inside.claims.entries.get(ref.key);
        if (hold === undefined || entry === undefined || entry.queue.length === 0) return right.release(ref);
        entry.holders = entry.holders.filter((each) => each !== hold);
        setTimeout(() => void right.inspect!(ref.key), 500);
        return 'released';
      },
    }),
  },
];
