import { leaseDeadline } from './adapter-replies.ts';
import { pause } from './backend-call.ts';
import type { Context } from './context.ts';
import { heldTooLong, notHeld, unreachable } from './errors.ts';
import { clockToleranceMs, type Hold, type HoldWatcher } from './hold.ts';
import { expireIfDue, loseHold } from './release.ts';
import { Renewals, renewPauseMs } from './renewals.ts';
import type { TimedEntry } from './timer-heap.ts';

// How often the wall clock is compared with the monotonic one while a lease is held.
const sleepCheckMs = 1_000;

/**
 * One watchdog for all holds of a `Locks`. It renews them at a third of their time and announces a loss by the clock, whatever
 * becomes of the calls: hung, failed, or never answered (H45, H46, H66, H79).
 */
export class Watchdog implements HoldWatcher {
  readonly #context: Context;
  readonly #renewals: Renewals;
  readonly #sleepCheck: TimedEntry;
  #checkedAhead = Number.NaN;

  constructor(context: Context) {
    this.#context = context;
    this.#renewals = new Renewals(context);
    this.#sleepCheck = { at: 0, heapIndex: -1, fire: (now) => this.#checkSleep(now) };
  }

  /** Starts to watch a hold that the backend has just granted. */
  watch(hold: Hold): void {
    if (hold.options.autoRenew) hold.planRenewal(hold.since, hold.deadline - hold.since);
    this.#context.holdTimers.set(hold, hold.dueAt);
    if (this.#sleepCheck.heapIndex < 0) this.#context.timers.set(this.#sleepCheck, hold.since + sleepCheckMs);
  }

  /** Called when a hold needs a renewal, or ends. */
  onDue(hold: Hold, now: number): void {
    expireIfDue(this.#context, hold);
    if (hold.state !== 'held') return;
    if (now < hold.since + hold.options.maxHoldMs) return this.#renewals.queue(hold, this.#nextTtlMs(hold, now));
    const error = heldTooLong(hold.key, this.#context.adapter.name, hold.options.maxHoldMs);
    loseHold(this.#context, hold, error, 'may still hold it');
  }

  /** Renews now, whatever the schedule. Throws LOCK_LOST, LOCK_RELEASED or LOCK_BACKEND. */
  renewNow(hold: Hold, ttlMs: number): Promise<void> {
    return this.#context.keepalive.during(() => this.#renew(hold, ttlMs));
  }

  async #renew(hold: Hold, ttlMs: number): Promise<void> {
    const { adapter, settings } = this.#context;
    const { clock } = settings;
    const startedAt = clock.now();
    for (;;) {
      while (hold.renewing !== undefined) await hold.renewing;
      if (hold.state !== 'held' || hold.over) throw notHeld(hold.key, adapter.name, hold.error);
      if (ttlMs < hold.ttlMs) this.#shorten(hold, ttlMs);
      const failure = await this.#renewals.send([hold.request], ttlMs);
      // The answer may have come when the lease was over, and is then of no use.
      expireIfDue(this.#context, hold);
      if (failure === undefined && hold.state === 'held') {
        hold.ttlMs = ttlMs;
        return;
      }
      if (failure === undefined || hold.state !== 'held') continue;
      const forMs = clock.now() - startedAt;
      if (forMs >= settings.backendTimeoutMs) throw unreachable(hold.key, adapter.name, forMs, failure.cause);
      await pause(this.#context, renewPauseMs(hold));
    }
  }

  /** From the send on the backend may count the shorter time, so it counts here before any answer. */
  #shorten(hold: Hold, ttlMs: number): void {
    const { adapter, settings } = this.#context;
    const now = settings.clock.now();
    hold.ttlMs = ttlMs;
    hold.deadline = Math.min(hold.deadline, leaseDeadline(now, ttlMs, ttlMs, now, adapter.capabilities));
    this.#context.holdTimers.set(hold, hold.dueAt);
  }

  /** Without the watchdog a renewal only confirms what the last `renew` asked for, up to the same end. */
  #nextTtlMs(hold: Hold, now: number): number {
    return hold.options.autoRenew ? hold.ttlMs : Math.max(1, Math.floor(hold.confirmUntil - now));
  }

  /**
   * The monotonic clock stands still while the machine sleeps; the backend's does not. When the wall clock has run ahead, the
   * leases count the time asleep, and are renewed before anything else if they may have ended meanwhile.
   */
  #checkSleep(now: number): void {
    const { clock } = this.#context.settings;
    const wallAhead = clock.wallNow() - clock.now();
    // While the clocks go together there is nothing to count for any lease.
    const calm = Math.abs(wallAhead - this.#checkedAhead) <= clockToleranceMs / 2;
    if (!calm) this.#checkedAhead = wallAhead;
    let watching = false;
    for (const { hold } of this.#context.keys.values()) {
      if (hold === undefined) continue;
      watching = true;
      if (calm) break;
      expireIfDue(this.#context, hold);
    }
    if (watching) this.#context.timers.set(this.#sleepCheck, now + sleepCheckMs);
  }
}
