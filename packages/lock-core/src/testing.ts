// As in platform.ts: fake timers must not stop a manual clock.
import { setImmediate } from 'node:timers';
import type { Clock } from './platform.ts';

/** A clock that moves only when a test moves it. */
export interface ManualClock extends Clock {
  /** Moves time forward: fires the timers that become due, in order, and lets promises settle between them. */
  advance(ms: number): Promise<void>;
  /** Moves time forward without firing any timer, like a stalled event loop. The next `advance` fires the overdue timers. */
  stall(ms: number): void;
  /** Moves only the wall clock, as when an administrator sets it or the machine sleeps. */
  stepWall(ms: number): void;
  /** How many timers are armed. */
  readonly pending: number;
}

interface ManualTimer {
  at: number;
  order: number;
  callback: () => void;
}

/** Lets everything that is ready run: microtasks and the macrotasks that they start. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Creates a clock for tests, which starts at `startMs` (default 1,000). */
export function manualClock(startMs = 1_000): ManualClock {
  let now = startMs;
  let wallOffset = 1_700_000_000_000;
  let order = 0;
  const timers = new Set<ManualTimer>();

  const nextDue = (until: number): ManualTimer | undefined => {
    let first: ManualTimer | undefined;
    for (const timer of timers) {
      if (timer.at > until) continue;
      if (!first || timer.at < first.at || (timer.at === first.at && timer.order < first.order)) first = timer;
    }
    return first;
  };

  return {
    now: () => now,
    wallNow: () => now + wallOffset,
    setTimeout(callback, delayMs) {
      const timer = { at: now + Math.max(1, delayMs), order: order++, callback };
      timers.add(timer);
      return timer;
    },
    clearTimeout: (timer) => void timers.delete(timer as ManualTimer),
    async advance(ms) {
      const until = now + ms;
      await settle();
      for (let due = nextDue(until); due; due = nextDue(until)) {
        timers.delete(due);
        now = Math.max(now, due.at);
        due.callback();
        await settle();
      }
      now = Math.max(now, until);
      await settle();
    },
    stall(ms) {
      now += ms;
    },
    stepWall(ms) {
      wallOffset += ms;
    },
    get pending() {
      return timers.size;
    },
  };
}
