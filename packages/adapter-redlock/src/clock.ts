import { setImmediate } from 'node:timers';
import { systemClock } from '@holdfast/lock-core';
import type { QuorumClock } from './protocol/node.ts';

/** The system's monotonic clock and timers. */
export const quorumTimers: Pick<QuorumClock, 'now' | 'after'> = {
  now: systemClock.now,
  after(ms, callback) {
    // After a stall the timer comes due first; the answers that have arrived meanwhile are read before it counts.
    let cancelled = false;
    const timer = systemClock.setTimeout(() => {
      setImmediate(() => {
        if (!cancelled) callback();
      });
    }, ms);
    return () => {
      cancelled = true;
      systemClock.clearTimeout(timer);
    };
  },
};
