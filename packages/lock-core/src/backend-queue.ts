import { Acquisition } from './acquisition.ts';
import { checkAcquireReply, checkGrant, requestLock } from './adapter-replies.ts';
import type { Lock } from './api.ts';
import { callAdapter, callWithTimeout, retryDelayMs } from './backend-call.ts';
import { type Context, fail } from './context.ts';
import { isRefusal, isWithoutEffect, noAnswer, timedOut, unreachable } from './errors.ts';
import { grantedTooLate, takePossession } from './grant.ts';
import { HeldLock } from './held-lock.ts';
import { AcquireRequest, type Hold } from './hold.ts';
import type { KeyState } from './key-state.ts';
import type { AcquireOutcome, Granted, LockAdapter } from './lock-adapter.ts';
import { attemptTimeout, type ResolvedOptions } from './options.ts';
import type { Watchdog } from './watchdog.ts';

/** The reason with which a place is withdrawn: an `enqueue` that rejects with it has given the place up. */
const withdrawn = new Error('the caller no longer waits');

/**
 * An acquire on a backend with a FIFO queue of its own. Each waiter takes a place there; core only handles time-outs, aborts and
 * failures. A place that is given up is withdrawn by the adapter, else by the clean-up (H42).
 */
export class QueuedAcquisition extends Acquisition {
  private readonly context: Context;
  private readonly watchdog: Watchdog;
  private readonly keyState: KeyState;
  private request: AcquireRequest;
  /** Since when the backend has neither answered nor confirmed a place. */
  private unansweredSince: number;
  /** Gives up the place in the backend's queue; set while there may be one. */
  private withdraw: (() => void) | undefined;

  constructor(
    context: Context,
    watchdog: Watchdog,
    keyState: KeyState,
    owner: Acquisition['owner'],
    options: ResolvedOptions,
    now: number,
  ) {
    super(keyState.key, owner, options, false, now);
    this.context = context;
    this.watchdog = watchdog;
    this.keyState = keyState;
    this.unansweredSince = now;
    this.request = new AcquireRequest(keyState.key, options.ttlMs);
  }

  get ownerId(): string {
    return this.request.owner;
  }

  toLock(hold: Hold): Lock {
    return new HeldLock(this.context, hold);
  }

  start(now: number): void {
    const { keyState } = this;
    keyState.append(this);
    const contended = keyState.hold !== undefined || keyState.first !== this;
    // In the same process asking costs nothing, and spares an uncontended caller a place in the queue.
    if (contended || this.context.adapter.capabilities.crossProcess) this.enqueue(now);
    else this.askFirst(now);
  }

  takeTurn(): void {
    // The backend says whose turn it is.
  }

  abandon(): void {
    const request = this.request;
    request.abandoned = true;
    request.cancel();
    if (this.withdraw !== undefined) this.withdraw();
    else if (request.unanswered > 0) this.context.cleanup.add(request);
  }

  private askFirst(now: number): void {
    const { adapter, cleanup } = this.context;
    const request = this.request;
    this.send(now);
    this.setTimer();
    requestLock(adapter, request).then(
      (reply: AcquireOutcome) => {
        const pending = this.isPending(request);
        if (!this.isValid(request, () => checkAcquireReply(adapter, this.key, reply))) return;
        if (request.answered(reply)) cleanup.answeredLate(request, reply);
        if (!pending) return;
        if (reply.status === 'granted') return this.granted(request, reply, now);
        this.request = new AcquireRequest(this.key, this.options.ttlMs);
        this.unansweredSince = this.context.settings.clock.now();
        this.enqueue(this.unansweredSince);
      },
      (error: unknown) => this.rejected(request, error),
    );
  }

  private enqueue(now: number): void {
    const { adapter } = this.context;
    const request = this.request;
    const enqueue = adapter.enqueue as NonNullable<LockAdapter['enqueue']>;
    this.tellWait(adapter.name);
    // Whoever was told may have ended the wait.
    if (this.phase === 'done') return;
    this.send(now);
    const withdrawal = new AbortController();
    const grant = callAdapter(() => enqueue.call(adapter, request, withdrawal.signal));
    this.withdraw = () => this.withdrawPlace(request, grant, withdrawal);
    grant.then(
      (reply) => {
        const pending = this.isPending(request);
        if (pending) this.withdraw = undefined;
        if (!this.isValid(request, () => checkGrant(adapter, 'enqueue', this.key, reply))) return;
        request.answered(reply);
        if (pending) this.granted(request, reply, now);
      },
      (error: unknown) => {
        if (this.isPending(request)) this.withdraw = undefined;
        this.rejected(request, error);
      },
    );
    if (!this.isPending(request)) return this.withdraw();
    if (!request.queued) request.whenQueued = () => this.isPending(request) && this.setTimer();
    this.setTimer();
  }

  /** Whether the caller still waits for the answer to this request. */
  private isPending(request: AcquireRequest): boolean {
    return this.phase !== 'done' && this.request === request;
  }

  private send(now: number): void {
    const request = this.request;
    this.phase = 'asking';
    request.unanswered += 1;
    request.sentAt = now;
    request.wallAhead = this.context.wallAhead(now);
  }

  /** Wakes when the caller's patience ends: for a place that is confirmed, that of the caller alone. */
  private setTimer(): void {
    const { timers } = this.context;
    if (!this.request.queued) timers.set(this, this.endOfPatience());
    else if (this.waitUntil !== Number.POSITIVE_INFINITY) timers.set(this, this.waitUntil);
    else timers.clear(this);
  }

  /** When this acquisition fails, as far as is known: a place that is confirmed until then waits for as long as the caller. */
  private endOfPatience(): number {
    const { settings } = this.context;
    // However short the wait, the backend gets the time of one attempt to answer.
    const attemptUntil = this.startedAt + attemptTimeout(settings, this.options.ttlMs);
    return Math.min(Math.max(this.waitUntil, attemptUntil), this.unansweredSince + settings.backendTimeoutMs);
  }

  private isValid(request: AcquireRequest, check: () => void): boolean {
    try {
      check();
      return true;
    } catch (error) {
      // The reply says nothing about the lock: the request stays unanswered, and is cleaned up.
      if (this.isPending(request)) fail(this.context, this.keyState, this, error);
      return false;
    }
  }

  private granted(request: AcquireRequest, grant: Granted, sentAt: number): void {
    const context = this.context;
    const now = context.settings.clock.now();
    request.whenQueued = undefined;
    if (takePossession(context, this.watchdog, this.keyState, this, request, grant, sentAt, now)) return;
    context.cleanup.add(request);
    this.failed(request, grantedTooLate(request.ttlMs));
  }

  private rejected(request: AcquireRequest, error: unknown): void {
    const refused = isRefusal(error);
    if (isWithoutEffect(error) || error === withdrawn) this.context.cleanup.acquireRefused(request);
    if (!this.isPending(request)) return;
    if (refused) return fail(this.context, this.keyState, this, error);
    if (request.unanswered > 0) this.context.cleanup.add(request);
    this.failed(request, error);
  }

  /** The place is gone, or nobody knows: queue again under another owner ID. */
  private failed(request: AcquireRequest, error: unknown): void {
    const { settings, timers } = this.context;
    const now = settings.clock.now();
    this.request = new AcquireRequest(request.key, request.ttlMs);
    // A place that was confirmed was an answer; otherwise the silence goes on.
    if (request.queued) this.unansweredSince = now;
    this.failure = error;
    this.failures += 1;
    if (now >= this.unansweredSince + settings.backendTimeoutMs) return this.giveUp(now);
    this.phase = 'sleeping';
    timers.set(this, Math.min(now + retryDelayMs(this.failures), this.endOfPatience()));
  }

  private giveUp(now: number): void {
    const forMs = now - this.unansweredSince;
    const cause = this.failure ?? noAnswer(forMs);
    fail(this.context, this.keyState, this, unreachable(this.key, this.context.adapter.name, forMs, cause));
  }

  fire(now: number): void {
    const { context, keyState, key } = this;
    if (this.request.queued) {
      if (now < this.waitUntil) this.setTimer();
      else fail(context, keyState, this, timedOut(key, context.adapter.name, now - this.startedAt));
    } else if (now >= this.endOfPatience()) this.giveUp(now);
    else if (this.phase === 'sleeping') this.enqueue(now);
    else this.setTimer();
  }

  /** Has the adapter give up the place; where that is not certain, the clean-up follows up. */
  private withdrawPlace(request: AcquireRequest, grant: Promise<unknown>, withdrawal: AbortController): void {
    const { cleanup, settings, timers } = this.context;
    withdrawal.abort(withdrawn);
    const cleanUp = (): void => cleanup.add(request);
    const now = settings.clock.now();
    const withinMs = attemptTimeout(settings, request.ttlMs);
    const answered = callWithTimeout(timers, now, withinMs, () => grant, cleanUp);
    cleanup.await(
      answered.then(cleanUp, () => {
        if (request.unanswered > 0) cleanUp();
      }),
    );
  }
}
