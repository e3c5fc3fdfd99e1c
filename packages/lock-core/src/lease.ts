import type { Lock, LockOwner } from './api.ts';
import { Hold, type HoldStart } from './hold.ts';
import type { AcquireAttempt, AcquireOutcome, Claim, Granted, HoldRef } from './lock-adapter.ts';
import type { ResolvedOptions } from './options.ts';
import { findEnclosing, isWithin } from './owner.ts';
import { sharedController } from './platform.ts';
import type { GroupedEntry, TimerGroup } from './timer-heap.ts';

// The wall clock is corrected in small steps.
export const clockToleranceMs = 50;

/** The time asleep: by how much the wall clock ran ahead of the monotonic one, which stands still meanwhile. */
export const sleptMs = (aheadMs: number): number => (aheadMs > clockToleranceMs ? aheadMs : 0);

/** Whether two requests ask for the same: of permits the same number. */
export const isSameClaim = (one: Claim, other: Claim): boolean =>
  one.mode === other.mode && permitsOf(one) === permitsOf(other);

export const permitsOf = (claim: Claim): number => (claim.mode === 'permits' ? claim.permits : 0);

/** What watches over leases: the `Watchdog`. */
export interface LeaseWatcher {
  onDue(lease: Lease, now: number): void;
  renewNow(lease: Lease, hold: Hold, ttlMs: number, lock: Pick<Lock, 'assertHeld'>): Promise<void>;
  downgradeNow(lease: Lease, hold: Hold, lock: Pick<Lock, 'assertHeld'>): Promise<void>;
}

/**
 * What was requested under one owner ID, and the lease that came of it: from the first acquire to the clean-up. After an unknown
 * outcome the same ID asks again; it never does after a definite `busy`, nor once a release was sent for it.
 */
export class Lease implements AcquireAttempt, HoldRef, GroupedEntry {
  readonly key: string;
  readonly owner: string;
  /** The TTL of the request. */
  readonly ttlMs: number;
  claim: Claim;
  /** For how long the backend is to keep the key after the lease, unless that is released. */
  readonly graceMs: number;
  /** A block of tokens is needed only where the lease may be handed over; decided at each send. */
  tokens = 1;
  /** The first token of the block that was granted. */
  fencingToken: bigint | undefined;
  /** Acquires that were sent and whose effect is unknown: no answer yet, or an error for an answer. */
  unanswered = 0;
  /** Monotonic ms of the last acquire. */
  sentAt = 0;
  /** How far the wall clock was ahead at the last acquire, later when the lease was last confirmed. */
  wallAhead = 0;
  /** An acquire was answered: `granted`, or `busy`. */
  granted = false;
  refused = false;
  /** Nobody holds or wants the lock under this owner ID any more: what is still granted is released. */
  abandoned = false;
  /** Its place in the backend's queue is confirmed. */
  queued = false;
  /** Called when that happens. */
  whenQueued: (() => void) | undefined;
  /** How many other clients were seen waiting at the release, where the adapter can tell. */
  othersWaiting = 0;
  #controller: AbortController | undefined;

  // What follows counts from the grant on.
  /** It is not held: not yet granted, or released or lost, so that nothing more is sent for it. */
  over = true;
  /** Who has an exclusive lease, or one of permits. */
  hold: Hold | undefined;
  /** Who shares it. */
  readers: Map<LockOwner, Hold> | undefined;
  /** The token of the newest hold, and the reserved ones that no holder has had yet. */
  token: bigint | undefined;
  tokensLeft = 0;
  handOvers = 0;
  /** The wall clock when the hold that stands began; of several, the first. */
  private begunAt = 0;
  /** A transaction of its holder may have pinned it, which only the backend can tell from its end: nobody here takes it over. */
  pinned = false;
  /** When the backend granted it: the start of the local hand-over batch, and of the time in which readers join. */
  grantedAt = 0;
  /** The TTL of the next renewal. */
  renewMs: number;
  /** Monotonic ms from which another owner may have the lock. */
  deadline = 0;
  /** When the first of its holds ends by itself. */
  endsAt: number = Number.POSITIVE_INFINITY;
  /** How many of its holds want it renewed. */
  renewing = 0;
  /** Monotonic ms of the next renewal; Infinity when none is planned. */
  renewAt: number = Number.POSITIVE_INFINITY;
  /** The TTL of the newest renewal that was sent, and what settles with the one that is on its way. */
  sentMs: number;
  renewal: Promise<void> | undefined;
  /** The shortest TTL of the renewals that had no answer, and until when they may still arrive. */
  unknown: { readonly ttlMs: number; readonly until: number } | undefined;
  /** Without the watchdog: until when the last `renew` was to last, while it has to be confirmed. */
  confirmUntil = 0;
  grouped = false;
  group: TimerGroup | undefined;
  groupIndex = 0;
  at = 0;
  heapIndex = -1;
  watchdog!: LeaseWatcher;
  /** Who has not released since its hold was lost; set where the backend is to keep the key for the grace, until `keepUntil`. */
  unreleased: Set<Hold> | undefined;
  keepUntil = 0;
  /** The leases of the key in this process are a list. */
  before: Lease | undefined;
  after: Lease | undefined;

  constructor(key: string, { ttlMs, claim, graceMs, newOwnerId }: ResolvedOptions) {
    this.key = key;
    this.owner = newOwnerId();
    this.ttlMs = ttlMs;
    this.claim = claim;
    this.graceMs = graceMs;
    this.renewMs = ttlMs;
    this.sentMs = ttlMs;
  }

  /** Created lazily: an AbortController costs more than the rest of an uncontended acquire. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = sharedController();
      if (this.abandoned) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  /** What the backend is asked for: the grace comes on top of the lease. */
  asAttempt(): AcquireAttempt {
    if (this.graceMs === 0) return this;
    const lease = this;
    const { key, owner, claim, tokens } = this;
    return {
      key,
      owner,
      claim,
      tokens,
      ttlMs: this.ttlMs + this.graceMs,
      get signal() {
        return lease.signal;
      },
      onQueued: () => lease.onQueued(),
    };
  }

  /** Counts an answered acquire. True when the answer came too late: nobody wants it any more. */
  answered(outcome: AcquireOutcome): boolean {
    this.unanswered -= 1;
    if (outcome.status === 'busy') this.refused = true;
    else this.granted = true;
    return this.abandoned;
  }

  onQueued(): void {
    if (this.queued) return;
    this.queued = true;
    this.whenQueued?.();
  }

  onWaiting(others: number): void {
    // Of several servers each may have seen some.
    if (Number.isFinite(others)) this.othersWaiting = Math.max(this.othersWaiting, others);
  }

  /** Tells the adapter that nobody wants the answer any more. */
  cancel(reason?: unknown): void {
    this.#controller?.abort(reason);
  }

  /** The backend granted it: the first hold. */
  begin(start: HoldStart, grant: Granted, now: number, deadline: number, watchdog: LeaseWatcher): Hold {
    this.over = false;
    this.fencingToken = grant.fencingToken;
    this.token = grant.fencingToken;
    this.tokensLeft = (grant.tokens ?? 1) - 1;
    this.grantedAt = now;
    this.deadline = deadline;
    this.watchdog = watchdog;
    this.begunAt = now + this.wallAhead;
    if (this.claim.mode !== 'shared') return this.#holdBy(start, now);
    this.readers = new Map();
    return this.join(start, now);
  }

  #holdBy(start: HoldStart, now: number): Hold {
    const hold = new Hold(start, this.claim.mode, this.token, now);
    this.hold = hold;
    this.endsAt = hold.endsAt;
    this.renewing = start.options.autoRenew ? 1 : 0;
    return hold;
  }

  /** The next holder in this process takes the lease over, with the next token. */
  handOver(next: HoldStart, now: number): Hold {
    this.handOvers += 1;
    this.begunAt = now + this.wallAhead;
    if (this.token !== undefined) {
      this.token += 1n;
      this.tokensLeft -= 1;
    }
    return this.#holdBy(next, now);
  }

  /** One more reader. The lease is as long as the longest that any of them asked for. */
  join(start: HoldStart, now: number): Hold {
    const { ttlMs, autoRenew } = start.options;
    const hold = new Hold(start, 'shared', this.token, now);
    if (autoRenew) this.renewing += 1;
    else hold.leaseEndsAt = Math.min(this.deadline, now + ttlMs);
    this.readers?.set(hold.owner, hold);
    this.endsAt = Math.min(this.endsAt, hold.endsAt);
    const isLonger = ttlMs > this.renewMs;
    this.renewMs = Math.max(this.renewMs, ttlMs);
    if (autoRenew && (isLonger || this.renewing === 1)) this.renewAt = Math.min(this.renewAt, now);
    return hold;
  }

  /** A reader is gone; true when it was the last. */
  part(hold: Hold): boolean {
    if (hold.options.autoRenew) this.renewing -= 1;
    this.readers?.delete(hold.owner);
    return this.readers?.size === 0;
  }

  /** From now on the exclusive holder is one reader among others. */
  share(): void {
    const { hold } = this;
    if (hold === undefined) return;
    this.claim = { mode: 'shared' };
    hold.mode = 'shared';
    if (!hold.options.autoRenew) hold.leaseEndsAt = this.deadline;
    this.readers = new Map([[hold.owner, hold]]);
    this.hold = undefined;
    // Nobody joins before the backend has confirmed it.
    this.grantedAt = Number.NEGATIVE_INFINITY;
  }

  /** Since when it is held here; `undefined` for one that is not held. */
  get heldSince(): Date | undefined {
    return this.over ? undefined : new Date(this.begunAt);
  }

  /** The backend has granted or confirmed that it is shared. */
  get isShared(): boolean {
    return this.readers !== undefined && this.grantedAt > Number.NEGATIVE_INFINITY;
  }

  holds(): Iterable<Hold> {
    return this.readers?.values() ?? (this.hold === undefined ? [] : [this.hold]);
  }

  /** The hold that `owner` may re-enter. Each permit is asked for by itself. */
  holdWithin(owner: LockOwner): Hold | undefined {
    const { hold, readers } = this;
    if (readers !== undefined) return findEnclosing(owner, (outer) => readers.get(outer));
    return hold !== undefined && hold.mode === 'exclusive' && isWithin(owner, hold.owner) ? hold : undefined;
  }

  /** Renews after about a third of the lease: all of one TTL meet at the multiples of it, in two steps where that is soon. */
  planRenewal(sentAt: number, validForMs: number): void {
    const soonestMs = Math.min(this.renewMs / 20, 50); // however short a time the backend promises
    const inMs = Math.max(Math.min(this.renewMs, validForMs) / 3, soonestMs);
    const thirdMs = Math.max(this.renewMs / 3, soonestMs);
    const stepMs = thirdMs / 16;
    const togetherAt = (Math.floor(sentAt / thirdMs) + 1) * thirdMs;
    const isTogether = togetherAt - sentAt >= thirdMs / 2 && togetherAt - sentAt <= inMs + stepMs;
    const stepAt = Math.floor((sentAt + Math.min(inMs, thirdMs / 2)) / stepMs) * stepMs;
    this.renewAt = isTogether ? togetherAt : stepAt >= sentAt + soonestMs ? stepAt : sentAt + inMs;
  }

  /** Counts the time asleep, and gives it; the wall clock is `ahead` of the monotonic one now. */
  countSleep(ahead: number): number {
    const slept = sleptMs(ahead - this.wallAhead);
    // A wall clock that was set back must not hide the next sleep either.
    if (slept > 0 || ahead < this.wallAhead) this.wallAhead = ahead;
    this.deadline -= slept;
    if (slept > 0 && this.readers !== undefined) {
      for (const reader of this.readers.values()) reader.leaseEndsAt -= slept;
      this.findEnd();
    }
    return slept;
  }

  /** Looks for the first hold to end by itself. */
  findEnd(): void {
    this.endsAt = Number.POSITIVE_INFINITY;
    for (const hold of this.holds()) this.endsAt = Math.min(this.endsAt, hold.endsAt);
  }

  /** When it next needs its watchdog. */
  get dueAt(): number {
    return Math.min(this.renewAt, this.deadline, this.endsAt);
  }

  fire(now: number): void {
    this.watchdog.onDue(this, now);
  }
}
