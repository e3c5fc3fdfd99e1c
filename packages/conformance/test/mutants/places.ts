import { type ClaimRules, rightRules } from '../support/claims-adapter.ts';
import type { Mutant } from './mutant.ts';
import { withRules } from './readers.ts';

/** Nobody is granted while the head is gone. */
const stopAtGone: ClaimRules['next'] = (entry, fits) =>
  entry.queue[0]?.gone ? undefined : rightRules.next(entry, fits);

/** The place goes some time after its waiter; the more have left, the later. */
function later(ms: number): ClaimRules['leave'] {
  return (entry, waiter) => {
    const left = entry.queue.filter(({ gone }) => gone).length;
    setTimeout(() => rightRules.leave(entry, waiter), ms * left).unref();
  };
}

/** Places in a queue of claims whose waiters have left, and what those are granted that have not. */
export const placeMutants: readonly Mutant[] = [
  {
    bug: 'a waiter that leaves takes those behind it along',
    seenIn: 'H105, Redisson #3004',
    base: 'claims',
    caughtBy: ['LK-0202', 'LK-0223'],
    message:
      /those at the head of the queue are granted|was granted before its turn|The answer to the last one of join/,
    adapter: withRules({
      leave(entry, waiter) {
        const at = entry.queue.indexOf(waiter);
        if (at >= 0) entry.queue.splice(at, 2);
      },
    }),
  },
  {
    bug: 'a waiter that has left is granted the key, and nobody gives it back',
    seenIn: 'H106, H42',
    base: 'claims',
    caughtBy: ['LK-0202', 'LK-0223'],
    message: /those at the head of the queue are granted|The last one of|The answer to the last one/,
    adapter: withRules({ leave: () => {} }),
  },
  {
    bug: 'the place of a waiter that has left stays for a minute: it is taken for alive',
    seenIn: 'H103, Redisson #4595',
    base: 'claims',
    caughtBy: ['LK-0202', 'LK-0223'],
    message: /those at the head of the queue are granted|The answer to the last one/,
    adapter: withRules({ next: stopAtGone, leave: later(60_000) }),
  },
  {
    bug: 'each waiter that has left holds the queue up for five seconds, one after the other',
    seenIn: 'H104, Redisson #2278',
    base: 'claims',
    caughtBy: ['LK-0202', 'LK-0223'],
    message: /those at the head of the queue are granted|The answer to the last one/,
    adapter: withRules({ next: stopAtGone, leave: later(5_000) }),
  },
  {
    bug: 'who is granted by the queue has a short reservation, which it takes for its lease',
    seenIn: 'H107',
    base: 'claims',
    caughtBy: ['LK-0201', 'LK-0214'],
    message: /must wait: a writer holds the key/,
    adapter: withRules({ leaseOfWaiter: () => 90 }),
  },
];
