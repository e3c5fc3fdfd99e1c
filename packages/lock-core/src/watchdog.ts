import { leaseDeadline } from './adapter-replies.ts';
import { pause } from './backend-call.ts';
import type { Context } from './context.ts';
import { notHeld, unreachable } from './errors.ts';
import type { Hold } from './hold.ts';
import { clockToleranceMs, type Lease, type LeaseWatcher } from './lease.ts';
import { expireIfDue } from './release.ts';
import { Renewals, renewPauseMs } from './renewals.ts';
import type { TimedEntry } from './timer-heap.ts';
import { checkHolds } from './warnings.ts';

// How often the wall clock is compared with the monotonic one while a lease is held.
const sleepCheckMs = 1_000;

/**
 * One watchdog for all leases of a `Locks`. It renews them at a third of their time and announces a loss by the clock, whatever
 * becomes of the calls: hung, failed, or never answered (H45, H46, H66, H79).
 */
export class Watchdog implements LeaseWatcher {
  readonly #context: Context;
  readonly #renewals: Renewals;
  readonly #sleepCheck: TimedEntry;
  #checkedAhead = Number.NaN;

  constructor(context: Context) {
    this.#context = context;
    this.#renewals = new Renewals(context);
    this.#sleepCheck = { at: 0, heapIndex: -1, fire: (now) => this.#checkSleep(now) };
  }

  /** Starts to watch a lease that the backend has just granted. */
  watch(lease: Lease): void {
    if (lease.renewing > 0) lease.planRenewal(lease.grantedAt, lease.deadline - lease.grantedAt);
    this.#context.holdTimers.set(lease, lease.dueAt);
    if (this.#sleepCheck.heapIndex < 0) this.#context.timers.set(this.#sleepCheck, lease.grantedAt + sleepCheckMs);
  }

  /** Called when a lease needs a renewal, or ends, or one of its holds does. */
  onDue(lease: Lease, now: number): void {
    expireIfDue(this.#context, lease);
    if (lease.over) return;
    const isRenewable = lease.renewing > 0 || lease.confirmUntil > now;
    if (isRenewable && now >= lease.renewAt) {
      checkHolds(this.#context, lease, now);
      return this.#renewals.queue(lease, this.#nextTtlMs(lease, now));
    }
    if (!isRenewable) lease.renewAt = Number.POSITIVE_INFINITY;
    this.#context.holdTimers.set(lease, lease.dueAt);
  }

  /** Renews now, whatever the schedule. Throws LOCK_LOST, LOCK_RELEASED or LOCK_BACKEND. */
  renewNow(lease: Lease, hold: Hold, ttlMs: number): Promise<void> {
    return this.#context.keepalive.during(() =>
      this.#untilAnswered(lease, hold, async () => {
        // The lease of several readers is as long as the longest that any of them wants.
        const leaseMs = (lease.readers?.size ?? 1) > 1 ? Math.max(ttlMs, lease.renewMs) : ttlMs;
        if (leaseMs < lease.renewMs) this.#shorten(lease, leaseMs);
        const sentAt = this.#context.settings.clock.now();
        const failure = await this.#renewals.send([lease], leaseMs);
        if (failure === undefined && !lease.over) {
          lease.renewMs = leaseMs;
          this.#moveEnd(lease, hold, sentAt, ttlMs);
        }
        return failure;
      }),
    );
  }

  /** Turns an exclusive hold into a shared one. Throws like `renewNow`; from then on it counts as shared in any case. */
  downgradeNow(lease: Lease, hold: Hold): Promise<void> {
    return this.#context.keepalive.during(() =>
      this.#untilAnswered(lease, hold, async () => {
        // The backend may let readers in as soon as this is sent.
        lease.share();
        const sentAt = this.#context.settings.clock.now();
        const failure = await this.#renewals.send([lease], lease.renewMs, 'downgrade');
        if (failure === undefined && !lease.over) {
          this.#moveEnd(lease, hold, sentAt, lease.renewMs);
          lease.grantedAt = this.#context.settings.clock.now();
        }
        return failure;
      }),
    );
  }

  /** Repeats a call about a lease until it is answered. */
  async #untilAnswered(lease: Lease, hold: Hold, call: () => Promise<{ cause: unknown } | undefined>): Promise<void> {
    const { adapter, settings } = this.#context;
    const { clock } = settings;
    const startedAt = clock.now();
    for (;;) {
      while (lease.renewal !== undefined) await lease.renewal;
      if (hold.state !== 'held') throw notHeld(hold.key, adapter.name, hold.error);
      const failure = await call();
      // The answer may have come when the lease was over, and is then of no use.
      expireIfDue(this.#context, lease);
      if (hold.state !== 'held') continue;
      if (failure === undefined) return;
      const forMs = clock.now() - startedAt;
      if (forMs >= settings.backendTimeoutMs) throw unreachable(hold.key, adapter.name, forMs, failure.cause);
      await pause(this.#context, renewPauseMs(lease));
    }
  }

  /** From the send on the backend may count the shorter time, so it counts here before any answer. */
  #shorten(lease: Lease, ttlMs: number): void {
    const { adapter, settings } = this.#context;
    const now = settings.clock.now();
    lease.renewMs = ttlMs;
    lease.deadline = Math.min(lease.deadline, leaseDeadline(now, ttlMs, ttlMs, now, adapter.capabilities));
    this.#context.holdTimers.set(lease, lease.dueAt);
  }

  /** A reader that is not renewed has its part of the lease for as long as it asked for. */
  #moveEnd(lease: Lease, hold: Hold, sentAt: number, ttlMs: number): void {
    if (hold.leaseEndsAt === Number.POSITIVE_INFINITY) return;
    const { capabilities } = this.#context.adapter;
    hold.leaseEndsAt = Math.min(lease.deadline, leaseDeadline(sentAt, ttlMs, ttlMs, sentAt, capabilities));
    lease.findEnd();
    this.#context.holdTimers.set(lease, lease.dueAt);
  }

  /** Without the watchdog a renewal only confirms what the last `renew` asked for, up to the same end. */
  #nextTtlMs(lease: Lease, now: number): number {
    return lease.renewing > 0 ? lease.renewMs : Math.max(1, Math.floor(lease.confirmUntil - now));
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
    for (const keyState of this.#context.keys.values()) {
      if (keyState.firstLease === undefined) continue;
      watching = true;
      if (calm) break;
      for (const lease of keyState.leases()) expireIfDue(this.#context, lease);
    }
    if (watching) this.#context.timers.set(this.#sleepCheck, now + sleepCheckMs);
  }
}
