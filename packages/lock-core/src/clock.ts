// Imported, not the globals: a test runner that replaces those for a while must neither stop nor wedge the timers of a `Locks`
// that outlives the test, even if this module is loaded meanwhile (H129).
import { performance } from 'node:perf_hooks';
import { clearTimeout, setTimeout } from 'node:timers';
import type { Clock } from './api.ts';
import type { Capabilities } from './lock-adapter.ts';

/** The clocks of the machine. The only place in the packages that reads the wall clock. */
export const systemClock: Clock = {
  now: performance.now.bind(performance),
  wallNow: Date.now,
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs).unref(),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
};

// The wall clock is corrected in small steps.
const clockToleranceMs = 50;

/** The time asleep: by how much the wall clock ran ahead of the monotonic one, which stands still meanwhile. */
export const sleptMs = (aheadMs: number): number => (aheadMs > clockToleranceMs ? aheadMs : 0);

/** How much earlier than the backend a lease ends here: 1 % for clocks that drift apart, 2 ms for timers (redis.io, Redlock). */
const driftMs = (ttlMs: number): number => ttlMs * 0.01 + 2;

/**
 * Until when a lease is good that the backend granted for `validForMs` in answer to a call sent at `sentAt` (H47). It began
 * before the answer was here, at `now`, so from there it lasts no longer than a whole lease, whatever the adapter says: one
 * that times a wait of hours on its server's clock is wrong by no more than the way of the answer.
 */
export function leaseDeadline(
  sentAt: number,
  validForMs: number,
  ttlMs: number,
  now: number,
  { ttl }: Partial<Capabilities>,
): number {
  const longestMs = ttl === undefined ? ttlMs : Math.max(ttlMs, ttl.minMs) + ttl.granularityMs;
  return Math.min(sentAt + validForMs, now + longestMs) - driftMs(Math.min(validForMs, ttlMs));
}
