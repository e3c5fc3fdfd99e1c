import type { Waiter } from './acquisition.ts';
import type { Core } from './context.ts';
import { channels } from './diagnostics.ts';
import { isLockError } from './errors.ts';
import { noAnswer, timedOut, unreachable } from './failures.ts';
import { detach, possess } from './grant.ts';
import type { Slot } from './key-state.ts';
import { leaseDeadline } from './lease.ts';
import type { AcquireOutcome, Granted } from './lock-adapter.ts';
import { attemptTimeout } from './options.ts';
import { unwatch, watchFor } from './release-hints.ts';
import { AcquireRequest } from './request.ts';
import { standForward, turnPassed } from './stand-back.ts';
import { pollMs, retryMs } from './waits.ts';

/**
 * How the waiters of one process get a lock from a backend without a queue of its own: they stand in line, and the first
 * alone contends. He asks; when the lock is busy he sleeps until a hint, the end of the holder's lease, or the fall-back
 * poll, whichever is first, and asks again.
 */
export interface Contention {
  /** Puts a waiter in line. */
  enter(slot: Slot, waiter: Waiter, now: number): void;
  /** One definite answer, without standing in line. */
  askOnce(slot: Slot, waiter: Waiter, now: number): void;
  advance(slot: Slot, now: number): void;
  onTime(waiter: Waiter, now: number): void;
}

export function createContention(core: Core): Contention {
  const { adapter, scheduler, settings, slots } = core;
  const now = settings.clock.now;

  function enter(slot: Slot, waiter: Waiter, at: number): void {
    slot.append(waiter);
    if (slot.first === waiter && slot.hold === undefined) advance(slot, at);
    else park(slot, waiter);
  }

  /** Waits in line; wakes only when the time is up. */
  function park(slot: Slot, waiter: Waiter): void {
    slot.crowded = true;
    waiter.phase = 'queued';
    waiter.failure = undefined;
    waiter.silentSince = undefined;
    tellWait(waiter);
    if (waiter.waitUntil !== Number.POSITIVE_INFINITY) scheduler.set(waiter, waiter.waitUntil);
    else scheduler.clear(waiter);
  }

  function advance(slot: Slot, at: number): void {
    const head = slot.first;
    if (head === undefined) {
      unwatch(slot);
      if (slot.idle) slots.delete(slot.key);
    } else if (slot.hold === undefined && head.phase === 'queued' && !core.closed) {
      if (slot.yieldUntil > at) sleep(slot, head, undefined, at);
      else ask(slot, head, at);
    }
  }

  function askOnce(slot: Slot, waiter: Waiter, at: number): void {
    slot.visitors += 1;
    core.visitors.add(waiter);
    ask(slot, waiter, at);
  }

  function ask(slot: Slot, waiter: Waiter, sentAt: number): void {
    const { request } = waiter;
    waiter.phase = 'asking';
    waiter.round += 1;
    const { round } = waiter;
    if (!waiter.once) slot.hinted = false;
    waiter.silentSince ??= Math.max(waiter.startedAt, slot.silentSince ?? sentAt);
    if (slot.crowded) request.tokens = 1 + settings.localRun.count;
    request.unanswered += 1;
    request.sentAt = sentAt;
    scheduler.set(
      waiter,
      Math.min(sentAt + attemptTimeout(settings, request.ttlMs), silentUntil(waiter, waiter.silentSince)),
    );
    let answer: Promise<AcquireOutcome>;
    try {
      answer = adapter.tryAcquire(request);
    } catch (error) {
      answer = Promise.reject(error);
    }
    answer.then(
      (outcome) => {
        core.reaper.acquireAnswered(request, outcome);
        answered(slot, waiter, request, outcome, round, sentAt);
      },
      (error: unknown) => {
        const definite = isLockError(error) && !error.retryable;
        if (definite) request.unanswered -= 1;
        if (waiter.request !== request || waiter.phase === 'done') return;
        if (definite) fail(slot, waiter, error);
        else if (waiter.round === round && waiter.phase === 'asking') failed(slot, waiter, error);
      },
    );
  }

  function answered(
    slot: Slot,
    waiter: Waiter,
    request: AcquireRequest,
    outcome: AcquireOutcome,
    round: number,
    sentAt: number,
  ): void {
    const at = now();
    slot.silentSince = undefined;
    slot.roundTripMs = at - sentAt;
    // Who left in the meantime has left the request to the reaper.
    if (waiter.phase === 'done' || waiter.request !== request) return;
    if (outcome.status === 'granted') return granted(slot, waiter, outcome, sentAt, at);
    // Busy, but a newer attempt is under way: its answer counts.
    if (waiter.round !== round || waiter.phase !== 'asking') return;
    waiter.failure = undefined;
    waiter.failures = 0;
    waiter.silentSince = undefined;
    if (waiter.once) {
      core.leave(slot, waiter, at);
      waiter.resolve(undefined);
    } else if (at >= waiter.waitUntil) fail(slot, waiter, timedOut(slot.key, adapter.name, at - waiter.startedAt));
    else if (slot.hold !== undefined) park(slot, waiter);
    else if (slot.hinted && slot.yieldUntil <= at) ask(slot, waiter, at);
    else sleep(slot, waiter, outcome.retryAfterMs, at);
  }

  function granted(slot: Slot, waiter: Waiter, grant: Granted, sentAt: number, at: number): void {
    const { request } = waiter;
    const deadline = leaseDeadline(sentAt, grant.validForMs, request.ttlMs);
    if (deadline > at) {
      standForward(slot);
      detach(core, slot, waiter);
      possess(core, slot, waiter, grant, deadline, at);
      return advance(slot, at);
    }
    // So late that another may have it already (H28). A release is sent for that owner value: it is never used again.
    core.reaper.add(request);
    waiter.request = new AcquireRequest(request.key, request.ttlMs);
    failed(slot, waiter, new Error(`it was granted too late: ttlMs ${request.ttlMs} is too short for this backend`));
  }

  /** No answer, or an answer of no use. */
  function failed(slot: Slot, waiter: Waiter, error: unknown): void {
    const at = now();
    waiter.failure = error;
    waiter.failures += 1;
    const until = silentUntil(waiter, waiter.silentSince);
    if (at >= until) return giveUp(slot, waiter, error, at);
    waiter.phase = 'sleeping';
    scheduler.set(waiter, Math.min(at + retryMs(waiter.failures), until));
  }

  /** Fails the waiter, and with him all in line who have been without an answer for too long as well. */
  function giveUp(slot: Slot, waiter: Waiter, cause: unknown, at: number): void {
    const since = waiter.silentSince ?? at;
    // Whoever is next has the silence counted to him from here on.
    slot.silentSince = since;
    const outOfTime = [waiter];
    for (let other = slot.first; other !== undefined; other = other.after) {
      if (other !== waiter && at >= silentUntil(other, Math.max(other.startedAt, since))) outOfTime.push(other);
    }
    // From the last to the first, so that none of them begins to ask.
    for (const other of outOfTime.reverse()) {
      fail(slot, other, unreachable(slot.key, adapter.name, at - Math.max(other.startedAt, since), cause));
    }
  }

  /**
   * Until when to do without an answer: for `backendTimeoutMs`, but no longer than the caller would wait for a busy lock,
   * and for at least one attempt.
   */
  function silentUntil(waiter: Waiter, since = now()): number {
    const patienceMs = waiter.once ? 0 : waiter.terms.waitMs;
    const oneAttemptMs = attemptTimeout(settings, waiter.terms.ttlMs);
    return since + Math.min(settings.backendTimeoutMs, Math.max(patienceMs, oneAttemptMs));
  }

  function sleep(slot: Slot, waiter: Waiter, retryAfterMs: number | undefined, at: number): void {
    waiter.phase = 'sleeping';
    tellWait(waiter);
    watchFor(core, slot, () => hint(slot));
    const wakeAt = slot.yieldUntil > at ? slot.yieldUntil : at + pollMs(slot, waiter.round, retryAfterMs);
    // At the very end of his patience he asks once more: a hint may have been lost.
    scheduler.set(waiter, Math.min(wakeAt, waiter.waitUntil));
  }

  /** The lock may be free. */
  function hint(slot: Slot): void {
    const at = now();
    slot.hinted = true;
    turnPassed(slot, at);
    const head = slot.first;
    if (head === undefined || slot.hold !== undefined || head.phase !== 'sleeping') return;
    if (slot.yieldUntil <= at) ask(slot, head, at);
    else scheduler.set(head, Math.min(slot.yieldUntil, head.waitUntil));
  }

  function onTime(waiter: Waiter, at: number): void {
    const slot = slots.get(waiter.key);
    if (slot === undefined) return;
    if (waiter.phase === 'asking') {
      return failed(slot, waiter, noAnswer(attemptTimeout(settings, waiter.request.ttlMs)));
    }
    // Another task of this process may have it meanwhile (`tryAcquire` does not stand in line).
    if (waiter.phase === 'sleeping') {
      if (slot.hold !== undefined) return park(slot, waiter);
      const { failure } = waiter;
      return failure !== undefined && at >= silentUntil(waiter, waiter.silentSince)
        ? giveUp(slot, waiter, failure, at)
        : ask(slot, waiter, at);
    }
    // In line behind others: those get no answer either, or the lock was busy all the time.
    const failure = slot.first?.failure;
    const waitedMs = at - waiter.startedAt;
    if (failure === undefined) fail(slot, waiter, timedOut(slot.key, adapter.name, waitedMs));
    else fail(slot, waiter, unreachable(slot.key, adapter.name, waitedMs, failure));
  }

  function fail(slot: Slot, waiter: Waiter, error: unknown): void {
    core.leave(slot, waiter, now());
    waiter.reject(error);
  }

  function tellWait(waiter: Waiter): void {
    if (!channels.wait.hasSubscribers) return;
    const { key, acquisition, request } = waiter;
    channels.wait.publish({ adapter: adapter.name, key, acquisition, owner: request.owner });
  }

  return { enter, askOnce, advance, onTime };
}
