import { isRefusal, leaseDeadline } from './adapter-replies.ts';
import type { Lock } from './api.ts';
import { pause } from './backend-call.ts';
import { admit, advance, type Context, detach } from './context.ts';
import { closed, lost, nameCaller, refuse, unreachable } from './errors.ts';
import type { Hold } from './hold.ts';
import type { Acquisition, KeyState } from './key-state.ts';
import { clockToleranceMs, type Lease, type LeaseWatcher, sleptMs } from './lease.ts';
import type { Granted } from './lock-adapter.ts';
import { expireIfDue, loseLease } from './release.ts';
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

  /** Renews now, whatever the schedule. Throws LOCK_LOST, LOCK_RELEASED or LOCK_BACKEND; a refusal, at once. */
  renewNow(lease: Lease, hold: Hold, ttlMs: number, lock: Pick<Lock, 'assertHeld'>): Promise<void> {
    return this.#context.keepalive.during(() =>
      this.#untilAnswered(lease, hold, lock, async () => {
        // The lease of several readers is as long as the longest that any of them wants.
        const leaseMs = (lease.readers?.size ?? 1) > 1 ? Math.max(ttlMs, lease.renewMs) : ttlMs;
        if (leaseMs < lease.renewMs) this.#shorten(lease, leaseMs);
        const sentAt = this.#context.settings.clock.now();
        const failure = await this.#renewals.send([lease], leaseMs);
        if (failure === undefined && !lease.over) {
          // A reader may have joined meanwhile that asked for more.
          lease.renewMs = (lease.readers?.size ?? 1) > 1 ? Math.max(leaseMs, lease.renewMs) : leaseMs;
          this.#moveEnd(lease, hold, sentAt, ttlMs);
        }
        return failure;
      }),
    );
  }

  /** Turns an exclusive hold into a shared one. Throws like `renewNow`; from then on it counts as shared in any case. */
  downgradeNow(lease: Lease, hold: Hold, lock: Pick<Lock, 'assertHeld'>): Promise<void> {
    checkAlone(hold);
    return this.#context.keepalive.during(() =>
      this.#untilAnswered(lease, hold, lock, async () => {
        // Again, since it may have been re-entered while a renewal was on its way.
        checkAlone(hold);
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

  /** Repeats a call about a lease until it is answered. A refusal is told at once, and the lease goes on as it was confirmed last. */
  async #untilAnswered(
    lease: Lease,
    hold: Hold,
    lock: Pick<Lock, 'assertHeld'>,
    call: () => Promise<{ cause: unknown } | undefined>,
  ): Promise<void> {
    const { adapter, settings } = this.#context;
    const { clock } = settings;
    const startedAt = clock.now();
    for (;;) {
      while (lease.renewal !== undefined) await lease.renewal;
      // Released meanwhile, it has no say any more, even where bodies around it hold on.
      lock.assertHeld();
      const failure = await call();
      // The answer may have come when the lease was over, and is then of no use.
      expireIfDue(this.#context, lease);
      if (hold.state !== 'held') continue;
      if (failure === undefined) return;
      if (isRefusal(failure.cause)) throw nameCaller(failure.cause);
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

function checkAlone({ key, mode, count }: Hold): void {
  if (mode !== 'exclusive' || count <= 1) return;
  refuse(
    `lock ${JSON.stringify(key)} is also held by a body around this one or in it, which relies on having it exclusively: release that first`,
    key,
  );
}

/** Why a grant is of no use that came after its own lease. */
export const grantedTooLate = (ttlMs: number): Error =>
  new Error(`it was granted too late: ttlMs ${ttlMs} is too short for this backend`);

/**
 * Makes the caller the holder by the backend's grant. False when the grant came so late that another owner may have the lock
 * already (H28): then nothing is held here, and what was granted has to be cleaned up.
 */
export function takePossession(
  context: Context,
  watchdog: Watchdog,
  keyState: KeyState,
  acquisition: Acquisition,
  lease: Lease,
  grant: Granted,
  sentAt: number,
  now: number,
): boolean {
  const { capabilities, name } = context.adapter;
  // The machine may have slept since it asked.
  const slept = sleptMs(context.settings.clock.wallNow() - now - lease.wallAhead);
  lease.wallAhead += slept;
  const deadline = leaseDeadline(sentAt, grant.validForMs - lease.graceMs, lease.ttlMs, now, capabilities) - slept;
  if (deadline <= now) return false;
  detach(context, keyState, acquisition);
  // The backend gave the lock to this owner, so whoever had it here no longer has it.
  while (keyState.firstLease !== undefined) {
    const former = keyState.findLease((standing) => excludes(lease, standing));
    if (former === undefined) break;
    loseLease(context, former, lost(keyState.key, name, 'the backend gave it to another owner'), 'is free of it');
    if (context.closed) {
      // By a listener of that loss.
      context.cleanup.add(lease);
      acquisition.reject(closed(keyState.key));
      return true;
    }
  }
  keyState.addLease(lease);
  const hold = lease.begin(acquisition, grant, now, deadline, watchdog);
  // The listeners of the loss above may have let the key be forgotten.
  if (context.keys.get(keyState.key) !== keyState) context.keys.set(keyState.key, keyState);
  watchdog.watch(lease);
  admit(context, keyState, acquisition, lease, hold, 'backend', now);
  advance(context, keyState, now);
  return true;
}

const excludes = ({ claim }: Lease, former: Lease): boolean =>
  claim.mode === 'exclusive' || former.claim.mode === 'exclusive';
