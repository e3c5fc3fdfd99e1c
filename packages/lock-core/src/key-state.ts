import type { Acquisition } from './acquisition.ts';
import type { Hold } from './hold.ts';
import type { Settings } from './options.ts';

// Time for another process to hear of a release and to ask; timers are no finer.
const shortestTurnMs = 1;
// A slow reply says little about how long the others need, and those that were counted may be gone by now.
const longestTurnMs = 50;
const longestDeferralMs = 500;

/** One key in this process: its hold, and the waiters in order of arrival. */
export class KeyState {
  readonly key: string;
  hold: Hold | undefined;
  first: Acquisition | undefined;
  last: Acquisition | undefined;
  /** Pending attempts that do not queue (`tryAcquire`): they keep the state in memory. */
  singleAttempts = 0;
  /** Since when the backend has not answered about this key, as the last waiter found that gave up. */
  unansweredSince: number | undefined;
  /** Tasks of this process have waited for each other: the hold will be handed over and needs tokens for that. */
  contended = false;
  /** How long the backend last took to answer. */
  roundTripMs = 0;
  /** How many releases to let pass before this process asks again: set at the end of a local hand-over batch. */
  releasesToAwait = 0;
  /** Until then it does not ask, unless those releases have passed. */
  deferredUntil: number = Number.NEGATIVE_INFINITY;
  /** Ends the subscription to release hints; set while it stands or is being made. */
  hints: AbortController | undefined;
  /** Whether the subscription stands: only then may the fallback poll be slow. */
  hintsStand = false;
  /** A hint came while the first waiter was asking: the answer may be older than the hint. */
  hinted = false;

  constructor(key: string) {
    this.key = key;
  }

  get idle(): boolean {
    return this.hold === undefined && this.first === undefined && this.singleAttempts === 0;
  }

  append(acquisition: Acquisition): void {
    acquisition.before = this.last;
    if (this.last === undefined) this.first = acquisition;
    else this.last.after = acquisition;
    this.last = acquisition;
  }

  /** The waiters that have been without an answer for too long, from the last to the first. */
  outOfPatience(settings: Settings, since: number, now: number): Acquisition[] {
    const found: Acquisition[] = [];
    for (let waiter = this.last; waiter !== undefined; waiter = waiter.before) {
      if (now >= waiter.unansweredUntil(settings, Math.max(waiter.startedAt, since))) found.push(waiter);
    }
    return found;
  }

  remove(acquisition: Acquisition): void {
    if (acquisition.before === undefined) this.first = acquisition.after;
    else acquisition.before.after = acquisition.after;
    if (acquisition.after === undefined) this.last = acquisition.before;
    else acquisition.after.before = acquisition.before;
    acquisition.before = undefined;
    acquisition.after = undefined;
  }

  /**
   * The end of a batch while other processes wait: each of them gets its turn before this one asks again. The backend keeps no
   * order and their hints come at the same moment, so every process counts the releases that it hears, its own included.
   */
  deferTo(others: number, now: number): void {
    this.releasesToAwait = Math.ceil(others) + 1;
    this.#defer(now);
  }

  /** A release was heard: one turn less to wait for. */
  releaseHeard(now: number): void {
    if (this.releasesToAwait === 0) return;
    this.releasesToAwait -= 1;
    this.#defer(now);
  }

  /** It has the lock, or there is nobody to wait for. */
  endDeferral(): void {
    this.releasesToAwait = 0;
    this.deferredUntil = Number.NEGATIVE_INFINITY;
  }

  #defer(now: number): void {
    // The others may be gone, and then nothing is heard: the fewer there are, the sooner this process tries.
    const turnMs = Math.min(Math.max(shortestTurnMs, 2 * this.roundTripMs), longestTurnMs);
    if (this.releasesToAwait === 0) this.deferredUntil = Number.NEGATIVE_INFINITY;
    else this.deferredUntil = now + Math.min(this.releasesToAwait * turnMs, longestDeferralMs);
  }
}
