import { checkAcquireReply, checkGrant, isRefusal, isWithoutEffect } from './adapter-replies.ts';
import type { Lock } from './api.ts';
import { callAdapter, requestLock, retryDelayMs } from './backend-call.ts';
import { type Context, fail } from './context.ts';
import { noAnswer, timedOut } from './errors.ts';
import { HeldLock } from './held-lock.ts';
import type { Hold } from './hold.ts';
import { Acquisition, type KeyState } from './key-state.ts';
import { isSameClaim, Lease } from './lease.ts';
import type { AcquireOutcome, Granted, LockAdapter } from './lock-adapter.ts';
import { attemptTimeout, type ResolvedOptions } from './options.ts';
import { type Place as AnyPlace, endParked, giveUp, park, withdrawn, withdrawPlace } from './waiting.ts';
import { grantedTooLate, takePossession, type Watchdog } from './watchdog.ts';

type Place = AnyPlace<QueuedAcquisition>;

/**
 * An acquire on a backend with a queue of its own. The process has one place there, that of its first waiter; it serves the others
 * by local hand-over, and then takes a new place at the end. Without hand-over each waiter has a place, for strict order. A place
 * that is given up is withdrawn by the adapter, else by the clean-up (H42).
 */
export class QueuedAcquisition extends Acquisition {
  private readonly context: Context;
  private readonly watchdog: Watchdog;
  private readonly keyState: KeyState;
  place: Place | undefined;

  constructor(
    context: Context,
    watchdog: Watchdog,
    keyState: KeyState,
    owner: Acquisition['owner'],
    options: ResolvedOptions,
    once: boolean,
    now: number,
  ) {
    super(keyState.key, owner, options, once, now);
    this.context = context;
    this.watchdog = watchdog;
    this.keyState = keyState;
  }

  toLock(lease: Lease, hold: Hold): Lock {
    return new HeldLock(this.context, lease, hold);
  }

  start(now: number): void {
    const { keyState } = this;
    this.context.waiting += 1;
    keyState.append(this);
    const isFirst = keyState.first === this && keyState.exclusive === undefined;
    if (isFirst || this.context.settings.localRun.count === 0) this.takeTurn(now);
    else park(this.context, keyState, this);
  }

  takeTurn(now: number): void {
    if (this.mayBeFree()) this.askFirst(now);
    else this.enqueue(now);
  }

  /**
   * Whether to ask without a place first: where that leaves nothing to undo when the lock is busy, and nobody is known to wait. It
   * costs less than a place. Not in strict order, where the time of the request decides.
   */
  private mayBeFree(): boolean {
    const { keyState } = this;
    const { adapter, settings } = this.context;
    if (keyState.firstLease !== undefined || keyState.first !== this) return false;
    if (!adapter.capabilities.crossProcess) return true;
    return adapter.whenFree !== undefined && settings.localRun.count > 0 && !keyState.contended;
  }

  hint(): void {
    // The backend says whose turn it is.
  }

  override silence(now: number): unknown {
    const withinMs = attemptTimeout(this.context.settings, this.options.ttlMs);
    const isSilent =
      this.phase === 'asking' &&
      !this.place?.lease.queued &&
      now >= (this.unansweredSince ?? this.startedAt) + withinMs;
    return this.failure ?? (isSilent ? noAnswer(withinMs) : undefined);
  }

  abandon(): void {
    const { place } = this;
    this.place = undefined;
    if (place === undefined || this.passOn(place)) return;
    const { lease } = place;
    place.waiter = undefined;
    lease.abandoned = true;
    lease.cancel();
    if (place.withdraw !== undefined) place.withdraw();
    else if (lease.unanswered > 0) this.context.cleanup.add(lease);
  }

  /** A place that is confirmed keeps its position, when its waiter leaves, for the next one here, if that asks for the same. */
  private passOn(place: Place): boolean {
    const next = this.keyState.first;
    const { closed, settings } = this.context;
    if (closed || settings.localRun.count === 0 || place.withdraw === undefined || !place.lease.queued) return false;
    if (!(next instanceof QueuedAcquisition) || next.phase !== 'queued') return false;
    const { claim, ttlMs, graceMs } = next.options;
    if (ttlMs !== place.lease.ttlMs || graceMs !== place.lease.graceMs || !isSameClaim(claim, place.lease.claim))
      return false;
    place.waiter = next;
    next.place = place;
    next.lease = place.lease;
    next.phase = 'asking';
    next.unansweredSince = Math.max(next.startedAt, this.unansweredSince ?? this.startedAt);
    next.setTimer();
    return true;
  }

  private send(now: number): Place {
    this.lease ??= new Lease(this.key, this.options);
    const { lease } = this;
    this.phase = 'asking';
    this.unansweredSince ??= Math.max(this.startedAt, this.keyState.unansweredSince ?? now);
    lease.unanswered += 1;
    lease.sentAt = now;
    lease.wallAhead = this.context.wallAhead(now);
    this.place = { lease, sentAt: now, waiter: this, withdraw: undefined };
    return this.place;
  }

  private askFirst(now: number): void {
    const { adapter, cleanup } = this.context;
    const place = this.send(now);
    const { lease } = place;
    if (this.keyState.contended) lease.tokens = this.tokens();
    this.setTimer();
    requestLock(adapter, lease.graceMs > 0 ? lease.asAttempt() : lease).then(
      (reply: AcquireOutcome) => {
        if (!this.isValid(place, () => checkAcquireReply(adapter, this.key, reply))) return;
        if (lease.answered(reply)) cleanup.answeredLate(lease, reply);
        const waiter = takeWaiter(place);
        if (waiter === undefined) return;
        if (reply.status === 'granted') return waiter.granted(place, reply);
        waiter.lease = undefined;
        const askedAt = this.context.settings.clock.now();
        if (askedAt >= waiter.waitUntil) return waiter.wasBusy(askedAt);
        waiter.unansweredSince = askedAt;
        waiter.enqueue(askedAt);
      },
      (error: unknown) => this.rejected(place, error),
    );
  }

  private enqueue(now: number): void {
    const { adapter } = this.context;
    const enqueue = adapter.enqueue as NonNullable<LockAdapter['enqueue']>;
    const place = this.send(now);
    const { lease } = place;
    lease.tokens = this.tokens();
    const withdrawal = new AbortController();
    const grant = callAdapter(() => enqueue.call(adapter, lease.asAttempt(), withdrawal.signal));
    place.withdraw = () => withdrawPlace(this.context, lease, grant, withdrawal);
    grant.then(
      (reply) => {
        if (!this.isValid(place, () => checkGrant(adapter, 'enqueue', this.key, reply))) return;
        lease.answered(reply);
        takeWaiter(place)?.granted(place, reply);
      },
      (error: unknown) => this.rejected(place, error),
    );
    // What the adapter called may have ended the wait.
    if (place.waiter === undefined) return place.withdraw();
    const confirmed = (): void => place.waiter?.confirmed();
    if (lease.queued) confirmed();
    else {
      lease.whenQueued = confirmed;
      this.setTimer();
    }
  }

  /** The backend has the place. */
  private confirmed(): void {
    this.keyState.unansweredSince = undefined;
    this.setTimer();
    this.tellWait(this.context.adapter.name);
  }

  /** A block of tokens where the lease may be handed over. Readers join each other, and need none for that. */
  private tokens(): number {
    return this.options.claim.mode === 'shared' ? 1 : 1 + this.context.settings.localRun.count;
  }

  /** Wakes when the caller's patience ends: for a place that is confirmed, that of the caller alone. */
  private setTimer(): void {
    const { timers } = this.context;
    if (!this.place?.lease.queued) timers.set(this, this.endOfPatience());
    else if (this.waitUntil !== Number.POSITIVE_INFINITY) timers.set(this, this.waitUntil);
    else timers.clear(this);
  }

  /** When this acquisition fails, as far as is known: a place that is confirmed until then waits for as long as the caller. */
  private endOfPatience(): number {
    const { settings } = this.context;
    // However short the wait, the backend gets the time of one attempt to answer.
    const unansweredFrom = this.unansweredSince ?? this.startedAt;
    const attemptUntil = unansweredFrom + attemptTimeout(settings, this.options.ttlMs);
    return Math.min(Math.max(this.waitUntil, attemptUntil), unansweredFrom + settings.backendTimeoutMs);
  }

  private granted({ lease, sentAt }: Place, grant: Granted): void {
    const { context, keyState } = this;
    const now = context.settings.clock.now();
    keyState.unansweredSince = undefined;
    if (takePossession(context, this.watchdog, keyState, this, lease, grant, sentAt, now)) return;
    context.cleanup.add(lease);
    this.failed(lease, grantedTooLate(lease.ttlMs));
  }

  private rejected(place: Place, error: unknown): void {
    const { cleanup } = this.context;
    const { lease } = place;
    const waiter = takeWaiter(place);
    const refused = isRefusal(error);
    if (isWithoutEffect(error) || error === withdrawn) cleanup.acquireRefused(lease);
    if (waiter === undefined) return;
    // A refusal may be of what was sent again, after the first had taken effect (H115).
    if (lease.unanswered > 0) cleanup.add(lease);
    if (refused) return fail(this.context, this.keyState, waiter, error);
    waiter.failed(lease, error);
  }

  /** The place is gone, or nobody knows: queue again under another owner ID. */
  private failed(lease: Lease, error: unknown): void {
    const { settings, timers } = this.context;
    const now = settings.clock.now();
    this.lease = undefined;
    // A place that was confirmed was an answer; otherwise the silence goes on.
    if (lease.queued) this.unansweredSince = now;
    this.failure = error;
    this.failures += 1;
    if (lease.queued && now >= this.waitUntil) return this.wasBusy(now);
    if (now >= (this.unansweredSince ?? this.startedAt) + settings.backendTimeoutMs)
      return giveUp(this.context, this.keyState, this, error, now);
    this.phase = 'sleeping';
    timers.set(this, Math.min(now + retryDelayMs(this.failures), this.endOfPatience()));
  }

  /** The backend has answered, and the lock was busy for as long as the caller waits. */
  private wasBusy(now: number): void {
    const { context, keyState, key } = this;
    fail(context, keyState, this, timedOut(key, context.adapter.name, now - this.startedAt));
  }

  fire(now: number): void {
    const { context, keyState } = this;
    if (this.phase === 'queued') endParked(context, keyState, this, now);
    else if (this.place?.lease.queued) {
      if (now < this.waitUntil) this.setTimer();
      else this.wasBusy(now);
    } else if (now >= this.endOfPatience()) {
      giveUp(context, keyState, this, this.failure ?? noAnswer(now - (this.unansweredSince ?? this.startedAt)), now);
    } else if (this.phase === 'sleeping') this.enqueue(now);
    else this.setTimer();
  }

  private isValid(place: Place, check: () => void): boolean {
    try {
      check();
      return true;
    } catch (error) {
      // The reply says nothing about the lock: the request stays unanswered, and is cleaned up.
      place.withdraw = undefined;
      if (place.waiter !== undefined) fail(this.context, this.keyState, place.waiter, error);
      return false;
    }
  }
}

/** The request was answered: it is no place any more. Gives who waited for the answer. */
function takeWaiter(place: Place): QueuedAcquisition | undefined {
  const { waiter } = place;
  if (waiter !== undefined) waiter.place = undefined;
  place.waiter = undefined;
  place.withdraw = undefined;
  return waiter;
}
