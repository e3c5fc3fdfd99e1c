// Imported, not the globals: a test runner that replaces those for a while must neither stop nor wedge the timers of a `Locks`
// that outlives the test, even if this module is loaded meanwhile (H129).
import { performance } from 'node:perf_hooks';
import { clearTimeout, setTimeout } from 'node:timers';
import type { Clock } from './api.ts';

/** The clocks of the machine. The only place in the packages that reads the wall clock. */
export const systemClock: Clock = {
  now: performance.now.bind(performance),
  wallNow: Date.now,
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs).unref(),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
};
