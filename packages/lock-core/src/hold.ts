import { sharedController } from './abort-signals.ts';
import type { LockOwner } from './api.ts';
import type { LockError } from './errors.ts';
import type { AcquireAttempt, AcquireOutcome, Granted, HoldRef } from './lock-adapter.ts';
import { newId, withoutOwner } from './owner.ts';
import type { GroupedEntry, TimerGroup } from './timer-heap.ts';

// The wall clock is corrected in small steps.
export const clockToleranceMs = 50;

/** The time asleep: by how much the wall clock ran ahead of the monotonic one, which stands still meanwhile. */
export const sleptMs = (aheadMs: number): number => (aheadMs > clockToleranceMs ? aheadMs : 0);

// However short a time the backend promises.
const soonestRenewalMs = 50;

/**
 * What was requested under one owner ID, from the first acquire to the clean-up. After an unknown outcome the same ID asks again; it
 * never does after a definite `busy`, nor once a release was sent for it.
 */
export class AcquireRequest implements AcquireAttempt, HoldRef {
  readonly key: string;
  readonly owner: string = newId();
  readonly ttlMs: number;
  /** A block of tokens is needed only where the hold may be handed over; decided at each send. */
  tokens = 1;
  hold: Hold | undefined;
  fencingToken: bigint | undefined;
  /** How many other clients were seen waiting, as the adapter reported it last. */
  othersWaiting: number | undefined;
  /** Acquires that were sent and whose effect is unknown: no answer yet, or an error for an answer. */
  unanswered = 0;
  /** Monotonic ms of the last acquire, and how far the wall clock was ahead then. */
  sentAt = 0;
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
  #controller: AbortController | undefined;

  constructor(key: string, ttlMs: number) {
    this.key = key;
    this.ttlMs = ttlMs;
  }

  /** Created lazily: an AbortController costs more than the rest of an uncontended acquire. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = sharedController();
      if (this.abandoned) this.#controller.abort();
    }
    return this.#controller.signal;
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
    if (Number.isFinite(others)) this.othersWaiting = Math.max(this.othersWaiting ?? 0, others);
  }

  /** Tells the adapter that nobody wants the answer any more. */
  cancel(reason?: unknown): void {
    this.#controller?.abort(reason);
  }
}

/** The call that begins a hold. */
export interface HoldStart {
  readonly key: string;
  readonly owner: LockOwner;
  readonly number: number;
  readonly options: { readonly autoRenew: boolean; readonly maxHoldMs: number };
}

/** What watches over holds: the `Watchdog`. */
export interface HoldWatcher {
  onDue(hold: Hold, now: number): void;
  renewNow(hold: Hold, ttlMs: number): Promise<void>;
}

/** One owner's possession of a key with its lease, shared by its reentrant locks. A hand-over makes a new hold over the same request. */
export class Hold implements GroupedEntry {
  readonly key: string;
  readonly owner: LockOwner;
  readonly request: AcquireRequest;
  readonly fencingToken: bigint | undefined;
  readonly since: number;
  readonly acquisition: number;
  readonly options: HoldStart['options'];
  /** Locks not yet released (H60): counted here and never in the backend, so that a repeated reply cannot miscount. */
  count = 1;
  state: 'held' | 'released' | 'lost' = 'held';
  error: LockError | undefined;
  /** Released, lost or handed over: nothing more is sent for it. */
  over = false;
  /** The TTL of the next renewal. */
  ttlMs: number;
  /** Monotonic ms from which another owner may have the lock. */
  deadline: number;
  /** How far the wall clock was ahead when the lease was last confirmed. */
  wallAhead: number;
  /** Monotonic ms of the next renewal; Infinity when none is planned. */
  renewAt: number = Number.POSITIVE_INFINITY;
  /** The TTL of the newest renewal that was sent. */
  sentTtlMs: number;
  /** Settles with the renewal that is on its way. */
  renewing: Promise<void> | undefined;
  /** The shortest TTL of the renewals that had no answer, and until when they may still arrive. */
  unknown: { readonly ttlMs: number; readonly until: number } | undefined;
  /** Without the watchdog: until when the last `renew` was to last, while it has to be confirmed. */
  confirmUntil = 0;
  /** When the backend granted the lease that was handed over: the start of the local hand-over batch. */
  batchSince: number | undefined;
  /** Reserved fencing tokens that no holder has had yet. */
  tokensLeft = 0;
  handOvers = 0;
  /** How often all waiters of a moment had their turn, and since when the present ones wait for theirs. */
  rounds = 0;
  roundSince: number | undefined;
  grouped = false;
  group: TimerGroup | undefined;
  groupIndex = 0;
  at = 0;
  heapIndex = -1;
  readonly watchdog: HoldWatcher;
  #controller: AbortController | undefined;

  constructor(
    start: HoldStart,
    request: AcquireRequest,
    fencingToken: bigint | undefined,
    now: number,
    deadline: number,
    watchdog: HoldWatcher,
  ) {
    this.key = start.key;
    this.owner = start.owner;
    this.acquisition = start.number;
    this.options = start.options;
    this.request = request;
    request.hold = this;
    this.fencingToken = fencingToken;
    this.since = now;
    this.ttlMs = request.ttlMs;
    this.sentTtlMs = request.ttlMs;
    this.deadline = deadline;
    this.wallAhead = request.wallAhead;
    this.watchdog = watchdog;
  }

  /** Renews after a third of the lease, on a grid of a sixteenth of that, so that renewals meet in batches. */
  planRenewal(sentAt: number, validForMs: number): void {
    const soonestMs = Math.min(this.ttlMs / 20, soonestRenewalMs);
    const periodMs = Math.max(Math.min(this.ttlMs, validForMs) / 3, soonestMs);
    const gridMs = periodMs / 16;
    this.renewAt = Math.floor((sentAt + periodMs) / gridMs) * gridMs;
  }

  /** Counts the time asleep, and gives it; the wall clock is `ahead` of the monotonic one now. */
  countSleep(ahead: number): number {
    const slept = sleptMs(ahead - this.wallAhead);
    // A wall clock that was set back must not hide the next sleep either.
    if (slept > 0 || ahead < this.wallAhead) this.wallAhead = ahead;
    this.deadline -= slept;
    return slept;
  }

  /** Records what the backend granted. */
  accept(grant: Granted): void {
    this.request.fencingToken = grant.fencingToken;
    this.request.othersWaiting = undefined;
    if (grant.waiting !== undefined) this.request.onWaiting(grant.waiting);
    this.tokensLeft = (grant.tokens ?? 1) - 1;
  }

  /** The hold of the next holder in this process, which takes over the lease with the next token. */
  handOver(next: HoldStart, now: number): Hold {
    const token = this.fencingToken;
    const hold = new Hold(
      next,
      this.request,
      token === undefined ? token : token + 1n,
      now,
      this.deadline,
      this.watchdog,
    );
    hold.ttlMs = this.ttlMs;
    hold.wallAhead = this.wallAhead;
    hold.renewAt = this.renewAt;
    hold.sentTtlMs = this.sentTtlMs;
    hold.renewing = this.renewing;
    hold.unknown = this.unknown;
    hold.batchSince = this.batchSince ?? this.since;
    hold.tokensLeft = token === undefined ? 0 : this.tokensLeft - 1;
    hold.handOvers = this.handOvers + 1;
    hold.rounds = this.rounds;
    hold.roundSince = this.roundSince;
    hold.grouped = this.grouped;
    this.over = true;
    // A `renew` of the old holder must not wait for what is no longer reported to it.
    this.renewing = undefined;
    return hold;
  }

  /** When the hold next needs its watchdog. */
  get dueAt(): number {
    return Math.min(this.renewAt, this.deadline, this.since + this.options.maxHoldMs);
  }

  /** Created lazily: an AbortController is expensive, and most holders never use it. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = sharedController();
      if (this.error !== undefined) this.#controller.abort(this.error);
    }
    return this.#controller.signal;
  }

  markLost(error: LockError): void {
    this.state = 'lost';
    this.error = error;
    // The listeners run here and now, in the middle of any caller's call: they must not act for that caller's owner.
    withoutOwner(() => this.#controller?.abort(error));
  }

  fire(now: number): void {
    this.watchdog.onDue(this, now);
  }
}
