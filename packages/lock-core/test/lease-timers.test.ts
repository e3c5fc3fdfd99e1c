import { expect, it } from 'vitest';
import type { Lease } from '../src/lease.ts';
import { createLeaseTimes } from '../src/lease-timers.ts';
import { manualClock } from '../src/testing.ts';
import { createTimerHeap } from '../src/timer-heap.ts';

/** What the times need of a lease that was renewed. */
function renewedLease(fire: () => void): Lease {
  return {
    at: 0,
    heapIndex: -1,
    renewed: true,
    over: false,
    group: undefined,
    groupIndex: 0,
    fire,
  } as Partial<Lease> as Lease;
}

it('what one lease sets off, were it a failure, costs the others that share its time nothing', async () => {
  const clock = manualClock(0);
  const times = createLeaseTimes(createTimerHeap(clock));
  const fired: string[] = [];
  const ended = renewedLease(() => fired.push('ended'));
  const leases = [
    renewedLease(() => fired.push('first')),
    renewedLease(() => {
      fired.push('second');
      ended.over = true;
      throw new Error('a failure');
    }),
    ended,
    renewedLease(() => fired.push('last')),
  ];
  for (const lease of leases) times.set(lease, 100);
  const gone = renewedLease(() => fired.push('gone'));
  times.set(gone, 100);
  times.clear(gone);
  await clock.advance(99);
  expect(fired).toEqual([]);
  await expect(clock.advance(1)).rejects.toThrow('a failure');
  await clock.advance(1);
  expect(fired).toEqual(['first', 'second', 'last']);
});
