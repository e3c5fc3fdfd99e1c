import { systemClock } from '@holdfast/lock-core';
import type { QuorumClock } from './protocol/node.ts';

// How far the wall clock may be from where the monotonic one has it before its step is followed.
const stepMs = 100;

let offsetMs = systemClock.wallNow() - systemClock.now();

/** The system's clocks. */
export const redlockClock: QuorumClock = {
  now: systemClock.now,
  micros() {
    // The wall clock has whole ms only; the monotonic one tells two proposals of one ms apart.
    const nowMs = systemClock.now();
    const wallMs = systemClock.wallNow();
    if (Math.abs(wallMs - nowMs - offsetMs) > stepMs) offsetMs = wallMs - nowMs;
    return (nowMs + offsetMs) * 1_000;
  },
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
