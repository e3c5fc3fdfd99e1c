import { systemClock } from '@holdfast/lock-core';

/** How far the two clocks of a machine are apart by the resolution of one of them, in ms. */
const RESOLUTION_MS = 1;

/** What this machine did during a case that a backend is not to blame for. */
export interface Machine {
  /** The longest time for which the event loop did not turn, in ms. */
  worstStallMs(): number;
  /** How late timers were, in all. */
  lagMs(): number;
  /** How much faster the wall clock ran than the monotonic one: a backend on this machine may count its leases by it. */
  aheadMs(): number;
  stop(): void;
}

export function watchMachine(pollMs: number): Machine {
  const apart = () => systemClock.wallNow() - systemClock.now();
  let [worstMs, lagMs, lastTurn, leastApart] = [0, 0, performance.now(), apart()];
  const ticker = setInterval(() => {
    const at = performance.now();
    worstMs = Math.max(worstMs, at - lastTurn);
    lagMs += Math.max(0, at - lastTurn - pollMs);
    lastTurn = at;
    leastApart = Math.min(leastApart, apart());
  }, pollMs).unref();
  return {
    worstStallMs: () => worstMs,
    lagMs: () => lagMs,
    aheadMs() {
      const ahead = apart() - leastApart;
      return ahead > RESOLUTION_MS ? ahead + RESOLUTION_MS : 0;
    },
    stop: () => clearInterval(ticker),
  };
}
