import { Acquisition } from './acquisition.ts';
import { checkAcquireReply, requestLock, retryHintMs } from './adapter-replies.ts';
import type { Lock } from './api.ts';
import { isTooSoon, pollDelayMs, retryDelayMs } from './backend-call.ts';
import { type Context, fail, leave } from './context.ts';
import { isRefusal, isWithoutEffect, noAnswer, timedOut, unreachable } from './errors.ts';
import { grantedTooLate, takePossession } from './grant.ts';
import { HeldLock } from './held-lock.ts';
import { AcquireRequest, type Hold } from './hold.ts';
import type { KeyState } from './key-state.ts';
import type { AcquireOutcome } from './lock-adapter.ts';
import { attemptTimeout, type ResolvedOptions } from './options.ts';
import { listenForHints } from './release-hints.ts';
import type { Watchdog } from './watchdog.ts';

/**
 * An acquire on a backend without a queue of its own. The waiters of a process queue up, and only the first asks. When the lock is
 * busy it sleeps until a hint, the end of the holder's lease, or the fallback poll, whichever is first, and asks again.
 */
export class PollingAcquisition extends Acquisition {
  private readonly context: Context;
  private readonly watchdog: Watchdog;
  private readonly keyState: KeyState;
  /** Made when it first asks, and anew after each `busy`: an owner ID that was refused never asks again. */
  private request: AcquireRequest | undefined;
  /** Counts the attempts, to tell an old answer from a new one. */
  private round = 0;
  /** Since when it has been asking without an answer. */
  private unansweredSince: number | undefined;
  /** How often the backend said that it is worth asking at once, and was busy all the same. */
  private earlyAttempts = 0;

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

  get ownerId(): string {
    this.request ??= new AcquireRequest(this.key, this.options.ttlMs);
    return this.request.owner;
  }

  toLock(hold: Hold): Lock {
    return new HeldLock(this.context, hold);
  }

  start(now: number): void {
    const keyState = this.keyState;
    if (this.once) {
      keyState.singleAttempts += 1;
      this.context.singleAttempts.add(this);
      return this.ask(now);
    }
    keyState.append(this);
    if (keyState.first === this && keyState.hold === undefined) this.takeTurn(now);
    else this.park();
  }

  takeTurn(now: number): void {
    if (this.keyState.deferredUntil > now) this.sleep(undefined, now);
    else this.ask(now);
  }

  abandon(): void {
    const request = this.request;
    if (request === undefined) return;
    request.abandoned = true;
    request.cancel();
    if (request.unanswered > 0) this.context.cleanup.add(request);
  }

  /** Waits in the queue; wakes only when the time is up. */
  private park(): void {
    this.keyState.contended = true;
    this.phase = 'queued';
    this.failure = undefined;
    this.unansweredSince = undefined;
    const { adapter, timers } = this.context;
    if (this.waitUntil !== Number.POSITIVE_INFINITY) timers.set(this, this.waitUntil);
    else timers.clear(this);
    this.tellWait(adapter.name);
  }

  private ask(sentAt: number): void {
    const { keyState } = this;
    const { adapter, settings, timers } = this.context;
    if (this.request?.refused) this.discardRequest();
    this.request ??= new AcquireRequest(this.key, this.options.ttlMs);
    const request = this.request;
    this.phase = 'asking';
    this.round += 1;
    const round = this.round;
    if (!this.once) keyState.hinted = false;
    this.unansweredSince ??= Math.max(this.startedAt, keyState.unansweredSince ?? sentAt);
    if (keyState.contended) request.tokens = 1 + settings.localRun.count;
    request.unanswered += 1;
    request.sentAt = sentAt;
    request.wallAhead = this.context.wallAhead(sentAt);
    const attemptUntil = sentAt + attemptTimeout(settings, request.ttlMs);
    timers.set(this, Math.min(attemptUntil, this.unansweredUntil(settings, this.unansweredSince)));
    requestLock(adapter, request).then(
      (outcome) => this.answered(request, outcome, round, sentAt),
      (error: unknown) => this.rejected(request, error, round),
    );
  }

  private answered(request: AcquireRequest, reply: AcquireOutcome, round: number, sentAt: number): void {
    const { context, keyState } = this;
    const pending = this.request === request && this.phase !== 'done';
    try {
      checkAcquireReply(context.adapter, this.key, reply);
    } catch (error) {
      // The reply says nothing about the lock: the request stays unanswered, and is cleaned up.
      if (pending) fail(context, keyState, this, error);
      return;
    }
    if (request.answered(reply)) context.cleanup.answeredLate(request, reply);
    const now = context.settings.clock.now();
    keyState.unansweredSince = undefined;
    keyState.roundTripMs = now - sentAt;
    if (!pending) return;
    if (reply.status === 'granted') {
      keyState.endDeferral();
      if (takePossession(context, this.watchdog, keyState, this, request, reply, sentAt, now)) return;
      this.discardRequest();
      return this.failed(grantedTooLate(request.ttlMs));
    }
    // Busy, but a newer attempt is under way: its answer counts.
    if (round === this.round && this.phase === 'asking') this.busy(retryHintMs(reply.retryAfterMs), now);
  }

  private busy(retryAfterMs: number | undefined, now: number): void {
    const { context, keyState } = this;
    this.discardRequest();
    this.failure = undefined;
    this.failures = 0;
    this.unansweredSince = undefined;
    if (this.once) {
      leave(context, keyState, this, now);
      this.resolve(undefined);
    } else if (now >= this.waitUntil) {
      fail(context, keyState, this, timedOut(this.key, context.adapter.name, now - this.startedAt));
    } else if (keyState.hold !== undefined) this.park();
    else if (keyState.hinted && keyState.deferredUntil <= now) this.ask(now);
    else this.sleep(retryAfterMs, now);
  }

  /** The owner ID was refused or its grant came too late: it never asks again, and what is unanswered is cleaned up. */
  private discardRequest(): void {
    const request = this.request;
    this.request = undefined;
    if (request === undefined) return;
    request.abandoned = true;
    if (request.unanswered > 0 || request.granted) this.context.cleanup.add(request);
  }

  private rejected(request: AcquireRequest, error: unknown, round: number): void {
    const refused = isRefusal(error);
    if (isWithoutEffect(error)) this.context.cleanup.acquireRefused(request);
    if (this.request !== request || this.phase === 'done') return;
    if (refused) fail(this.context, this.keyState, this, error);
    else if (this.round === round && this.phase === 'asking') this.failed(error);
  }

  /** No answer, or an answer of no use: the outcome is unknown. */
  private failed(error: unknown): void {
    const now = this.context.settings.clock.now();
    this.failure = error;
    this.failures += 1;
    const until = this.unansweredUntil(this.context.settings, this.unansweredSince ?? now);
    if (now >= until) return this.giveUp(error, now);
    this.phase = 'sleeping';
    this.context.timers.set(this, Math.min(now + retryDelayMs(this.failures), until));
  }

  /** Fails this acquisition, and with it all in the queue that have been without an answer for too long as well. */
  private giveUp(cause: unknown, now: number): void {
    const { context, keyState } = this;
    const since = this.unansweredSince ?? now;
    // The silence counts for whoever is next from here on.
    keyState.unansweredSince = since;
    // From the last to the first, so that none of them begins to ask; and this one in any case.
    for (const waiter of [...keyState.outOfPatience(context.settings, since, now), this]) {
      const forMs = now - Math.max(waiter.startedAt, since);
      fail(context, keyState, waiter, unreachable(this.key, context.adapter.name, forMs, cause));
    }
  }

  private sleep(retryAfterMs: number | undefined, now: number): void {
    const { keyState } = this;
    const { adapter, settings, timers } = this.context;
    this.phase = 'sleeping';
    listenForHints(adapter, keyState, settings.clock.now, () => onHint(this.context, keyState));
    const { deferredUntil, hintsStand } = keyState;
    const pollAt = now + pollDelayMs(this.round, hintsStand, retryAfterMs, this.earlyAttempts);
    // Retries once at the deadline: a hint may have been lost.
    timers.set(this, Math.min(deferredUntil > now ? deferredUntil : pollAt, this.waitUntil));
    if (isTooSoon(retryAfterMs)) this.earlyAttempts += 1;
    this.tellWait(adapter.name);
  }

  /** The lock may be free. */
  hint(now: number): void {
    if (this.phase !== 'sleeping') return;
    const { deferredUntil } = this.keyState;
    if (deferredUntil <= now) this.ask(now);
    else this.context.timers.set(this, Math.min(deferredUntil, this.waitUntil));
  }

  fire(now: number): void {
    const { context, keyState } = this;
    if (this.phase === 'asking') return this.failed(noAnswer(attemptTimeout(context.settings, this.options.ttlMs)));
    if (this.phase === 'sleeping') {
      // Another task of this process may have it meanwhile: then it is busy without asking.
      if (keyState.hold !== undefined) return this.once ? this.busy(undefined, now) : this.park();
      const until = this.unansweredUntil(context.settings, this.unansweredSince ?? now);
      return this.failure !== undefined && now >= until ? this.giveUp(this.failure, now) : this.ask(now);
    }
    // Queued behind others: those get no answer either, or the lock was busy all the time.
    const cause = keyState.first?.failure;
    const endedBy = cause === undefined ? timedOut : unreachable;
    fail(context, keyState, this, endedBy(this.key, context.adapter.name, now - this.startedAt, cause));
  }
}

function onHint(context: Context, keyState: KeyState): void {
  const now = context.settings.clock.now();
  keyState.hinted = true;
  keyState.releaseHeard(now);
  if (keyState.hold === undefined && keyState.first instanceof PollingAcquisition) keyState.first.hint(now);
}
