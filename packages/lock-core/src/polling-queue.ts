import { checkAcquireReply, isRefusal, isWithoutEffect, retryHintMs } from './adapter-replies.ts';
import type { Lock } from './api.ts';
import { isTooSoon, pollDelayMs, requestLock, retryDelayMs } from './backend-call.ts';
import { type Context, fail, leave } from './context.ts';
import { noAnswer, timedOut } from './errors.ts';
import { HeldLock } from './held-lock.ts';
import type { Hold } from './hold.ts';
import { Acquisition, type KeyState } from './key-state.ts';
import type { Lease } from './lease.ts';
import type { AcquireOutcome } from './lock-adapter.ts';
import { attemptTimeout, type ResolvedOptions } from './options.ts';
import { endParked, giveUp, listenForHints, park } from './waiting.ts';
import { grantedTooLate, takePossession, type Watchdog } from './watchdog.ts';

/**
 * An acquire on a backend without a queue of its own. The waiters of a process queue up, and only the first asks. When the lock is
 * busy it sleeps until a hint, the end of the holder's lease, or the fallback poll, whichever is first, and asks again.
 */
export class PollingAcquisition extends Acquisition {
  private readonly context: Context;
  private readonly watchdog: Watchdog;
  private readonly keyState: KeyState;
  /** Counts the attempts, to tell an old answer from a new one. */
  private round = 0;
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

  toLock(lease: Lease, hold: Hold): Lock {
    return new HeldLock(this.context, lease, hold);
  }

  start(now: number): void {
    const keyState = this.keyState;
    if (this.once) {
      keyState.singleAttempts += 1;
      this.context.singleAttempts.add(this);
      return this.ask(now);
    }
    this.context.waiting += 1;
    keyState.append(this);
    if (keyState.first === this && keyState.exclusive === undefined) this.takeTurn(now);
    else park(this.context, keyState, this);
  }

  takeTurn(now: number): void {
    if (this.keyState.deferredUntil > now) this.sleep(undefined, now);
    else this.ask(now);
  }

  abandon(): void {
    const lease = this.lease;
    if (lease === undefined) return;
    lease.abandoned = true;
    lease.cancel();
    if (lease.unanswered > 0) this.context.cleanup.add(lease);
  }

  private ask(sentAt: number): void {
    const { keyState } = this;
    const { adapter, settings, timers } = this.context;
    if (this.lease?.refused) this.discardLease();
    const lease = this.ownLease();
    this.round += 1;
    const round = this.round;
    if (!this.once) keyState.hinted = false;
    // Readers join each other, and need no tokens for that.
    if (keyState.contended && lease.claim.mode !== 'shared') lease.tokens = 1 + settings.localRun.count;
    this.phase = 'asking';
    this.unansweredSince ??= Math.max(this.startedAt, this.keyState.unansweredSince ?? sentAt);
    lease.unanswered += 1;
    lease.sentAt = sentAt;
    lease.wallAhead = this.context.wallAhead(sentAt);
    const attemptUntil = sentAt + attemptTimeout(settings, lease.ttlMs);
    timers.set(this, Math.min(attemptUntil, this.unansweredUntil(settings, this.unansweredSince ?? sentAt)));
    requestLock(adapter, lease.graceMs > 0 ? lease.asAttempt() : lease).then(
      (outcome) => this.answered(lease, outcome, round, sentAt),
      (error: unknown) => this.rejected(lease, error, round),
    );
  }

  private answered(lease: Lease, reply: AcquireOutcome, round: number, sentAt: number): void {
    const { context, keyState } = this;
    const pending = this.lease === lease && this.phase !== 'done';
    try {
      checkAcquireReply(context.adapter, this.key, reply);
    } catch (error) {
      // The reply says nothing about the lock: the request stays unanswered, and is cleaned up.
      if (pending) fail(context, keyState, this, error);
      return;
    }
    if (lease.answered(reply)) context.cleanup.answeredLate(lease, reply);
    const now = context.settings.clock.now();
    keyState.unansweredSince = undefined;
    if (!pending) return;
    if (reply.status === 'granted') {
      keyState.deferredUntil = Number.NEGATIVE_INFINITY;
      if (takePossession(context, this.watchdog, keyState, this, lease, reply, sentAt, now)) return;
      this.discardLease();
      return this.failed(grantedTooLate(lease.ttlMs));
    }
    // Busy, but a newer attempt is under way: its answer counts.
    if (round === this.round && this.phase === 'asking') this.busy(retryHintMs(reply.retryAfterMs), now);
  }

  private busy(retryAfterMs: number | undefined, now: number): void {
    const { context, keyState } = this;
    this.discardLease();
    this.failure = undefined;
    this.failures = 0;
    this.unansweredSince = undefined;
    if (this.once) {
      leave(context, keyState, this, now);
      this.resolve(undefined);
    } else if (now >= this.waitUntil) {
      fail(context, keyState, this, timedOut(this.key, context.adapter.name, now - this.startedAt));
    } else if (keyState.exclusive !== undefined) park(context, keyState, this);
    else if (keyState.hinted && keyState.deferredUntil <= now) this.ask(now);
    else this.sleep(retryAfterMs, now);
  }

  /** The owner ID was refused or its grant came too late: it never asks again, and what is unanswered is cleaned up. */
  private discardLease(): void {
    const lease = this.lease;
    this.lease = undefined;
    if (lease === undefined) return;
    lease.abandoned = true;
    if (lease.unanswered > 0 || lease.granted) this.context.cleanup.add(lease);
  }

  private rejected(lease: Lease, error: unknown, round: number): void {
    const refused = isRefusal(error);
    if (isWithoutEffect(error)) this.context.cleanup.acquireRefused(lease);
    if (this.lease !== lease || this.phase === 'done') return;
    if (refused) fail(this.context, this.keyState, this, error);
    else if (this.round === round && this.phase === 'asking') this.failed(error);
  }

  /** No answer, or an answer of no use: the outcome is unknown. */
  private failed(error: unknown): void {
    const now = this.context.settings.clock.now();
    this.failure = error;
    this.failures += 1;
    const until = this.unansweredUntil(this.context.settings, this.unansweredSince ?? now);
    if (now >= until) return giveUp(this.context, this.keyState, this, error, now);
    this.phase = 'sleeping';
    this.context.timers.set(this, Math.min(now + retryDelayMs(this.failures), until));
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
      if (keyState.exclusive !== undefined)
        return this.once ? this.busy(undefined, now) : park(context, keyState, this);
      const until = this.unansweredUntil(context.settings, this.unansweredSince ?? now);
      return this.failure !== undefined && now >= until
        ? giveUp(context, keyState, this, this.failure, now)
        : this.ask(now);
    }
    endParked(context, keyState, this, now);
  }
}

function onHint(context: Context, keyState: KeyState): void {
  const now = context.settings.clock.now();
  keyState.hinted = true;
  if (keyState.exclusive === undefined) keyState.first?.hint(now);
}
