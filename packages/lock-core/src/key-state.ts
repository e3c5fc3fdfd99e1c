import type { Waiter } from './acquisition.ts';
import type { Hold } from './hold.ts';

/** One key in this process: its holder, and those who wait, first come first served. */
export class KeyState {
  readonly key: string;
  hold: Hold | undefined;
  first: Waiter | undefined;
  last: Waiter | undefined;
  /** Attempts under way outside of the queue (`tryAcquire`, native queues): they keep the keyState alive. */
  visitors = 0;
  /** Since when the backend has not answered about this key, as the last waiter found who gave up on it. */
  silentSince: number | undefined;
  /** Tasks of this process have waited for each other: the hold will be handed over, and wants tokens for that. */
  crowded = false;
  /** How long the backend last took to answer. */
  roundTripMs = 0;
  /** How many releases to let pass before this process asks again: set at the end of a local run. */
  turnsAhead = 0;
  /** Until then it does not ask, unless the turns ahead have passed. */
  yieldUntil: number = Number.NEGATIVE_INFINITY;
  /** Ends the subscription to wake-up hints; set while it stands or is being made. */
  watch: AbortController | undefined;
  /** Whether the subscription stands: only then may the fall-back poll be slow. */
  watching = false;
  /** A hint came while the head was asking: the answer may be older than the hint. */
  hinted = false;

  constructor(key: string) {
    this.key = key;
  }

  get idle(): boolean {
    return this.hold === undefined && this.first === undefined && this.visitors === 0;
  }

  append(waiter: Waiter): void {
    waiter.before = this.last;
    if (this.last === undefined) this.first = waiter;
    else this.last.after = waiter;
    this.last = waiter;
  }

  remove(waiter: Waiter): void {
    if (waiter.before === undefined) this.first = waiter.after;
    else waiter.before.after = waiter.after;
    if (waiter.after === undefined) this.last = waiter.before;
    else waiter.after.before = waiter.before;
    waiter.before = undefined;
    waiter.after = undefined;
  }
}
