import fc from 'fast-check';
import { expect, it } from 'vitest';
import { manualClock } from '../src/testing.ts';
import { type TimedEntry, TimerHeap } from '../src/timer-heap.ts';

it('fires everything once, in order, never early, whatever is moved and cleared in between', async () => {
  const step = fc.record({
    entry: fc.nat(19),
    at: fc.nat(1_000),
    what: fc.constantFrom('set', 'set', 'clear', 'advance'),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
      const clock = manualClock(0);
      const scheduler = new TimerHeap(clock);
      const due = new Map<number, number>();
      const entries = Array.from({ length: 20 }, (_, i): TimedEntry => {
        return {
          at: 0,
          heapIndex: -1,
          fire(now) {
            expect(now).toBeGreaterThanOrEqual(due.get(i) ?? Number.POSITIVE_INFINITY);
            due.delete(i);
          },
        };
      });
      for (const { entry, at, what } of steps) {
        if (what === 'advance') await clock.advance(at / 10);
        else if (what === 'clear') {
          scheduler.clear(entries[entry]!);
          due.delete(entry);
        } else {
          due.set(entry, clock.now() + at);
          scheduler.set(entries[entry]!, clock.now() + at);
        }
        for (const time of due.values()) expect(time).toBeGreaterThan(clock.now() - 1);
      }
      await clock.advance(2_000);
      expect(due.size).toBe(0);
      scheduler.close();
      expect(clock.pending).toBe(0);
    }),
    { numRuns: 200 },
  );
});

it('goes on after an entry that throws', async () => {
  const clock = manualClock(0);
  const scheduler = new TimerHeap(clock);
  let fired = 0;
  const entry = (fire: () => void): TimedEntry => ({ at: 0, heapIndex: -1, fire });
  scheduler.set(
    entry(() => {
      throw new Error('broken');
    }),
    10,
  );
  scheduler.set(
    entry(() => {
      fired += 1;
    }),
    10,
  );
  await expect(clock.advance(20)).rejects.toThrow('broken');
  await clock.advance(20);
  expect(fired).toBe(1);
});
