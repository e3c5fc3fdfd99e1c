import { expect, it } from 'vitest';
import { manualClock } from '../src/testing.ts';
import { createGroupedTimers, type GroupedEntry, TimerHeap } from '../src/timer-heap.ts';

interface Entry extends GroupedEntry {
  over: boolean;
}

/** What the timers need of a hold that was renewed. */
function renewedHold(fire: () => void): Entry {
  return {
    at: 0,
    heapIndex: -1,
    grouped: true,
    over: false,
    group: undefined,
    groupIndex: 0,
    fire,
  };
}

it('a failure of one hold costs the others that share its time nothing', async () => {
  const clock = manualClock(0);
  const times = createGroupedTimers(new TimerHeap(clock));
  const fired: string[] = [];
  const ended = renewedHold(() => fired.push('ended'));
  const holds = [
    renewedHold(() => fired.push('first')),
    renewedHold(() => {
      fired.push('second');
      ended.over = true;
      throw new Error('a failure');
    }),
    ended,
    renewedHold(() => fired.push('last')),
  ];
  for (const hold of holds) times.set(hold, 100);
  const gone = renewedHold(() => fired.push('gone'));
  times.set(gone, 100);
  times.clear(gone);
  await clock.advance(99);
  expect(fired).toEqual([]);
  await expect(clock.advance(1)).rejects.toThrow('a failure');
  await clock.advance(1);
  expect(fired).toEqual(['first', 'second', 'last']);
});
