import type { Clock } from './api.ts';

// Captured when the module is loaded: a test runner that replaces the global timers for a while must neither stop nor
// wedge the timers of a `Locks` that outlives the test.
const { setTimeout, clearTimeout } = globalThis;

/** The clocks of the machine. The only place in the packages that reads the wall clock. */
export const systemClock: Clock = {
  now: performance.now.bind(performance),
  wallNow: Date.now,
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs).unref(),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
};
