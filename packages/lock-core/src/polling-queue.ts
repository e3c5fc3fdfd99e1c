import type { Waiter } from './acquisition.ts';
import type { Core } from './context.ts';
import { channels } from './diagnostics.ts';
import { isLockError } from './errors.ts';
import { noAnswer, timedOut, unreachable } from './failures.ts';
import { detach, possess } from './grant.ts';
import type { KeyState } from './key-state.ts';
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
  enter(keyState: KeyState, waiter: Waiter, now: number): void;
  /** One definite answer, without standing in line. */
  askOnce(keyState: KeyState, waiter: Waiter, now: number): void;
  advance(keyState: KeyState, now: number): void;
  onTime(waiter: Waiter, now: number): void;
}

export function createContention(core: Core): Contention {
  const { adapter, timers, settings, keys } = core;
  const now = settings.clock.now;

  function enter(keyState: KeyState, waiter: Waiter, at: number): void {
    keyState.append(waiter);
    if (keyState.first === waiter && keyState.hold === undefined) advance(keyState, at);
    else park(keyState, waiter);
  }

  /** Waits in line; wakes only when the time is up. */
  function park(keyState: KeyState, waiter: Waiter): void {
    keyState.crowded = true;
    waiter.phase = 'queued';
    waiter.failure = undefined;
    waiter.silentSince = undefined;
    tellWait(waiter);
    if (waiter.waitUntil !== Number.POSITIVE_INFINITY) timers.set(waiter, waiter.waitUntil);
    else timers.clear(waiter);
  }

  function advance(keyState: KeyState, at: number): void {
    const head = keyState.first;
    if (head === undefined) {
      unwatch(keyState);
      if (keyState.idle) keys.delete(keyState.key);
    } else if (keyState.hold === undefined && head.phase === 'queued' && !core.closed) {
      if (keyState.yieldUntil > at) sleep(keyState, head, undefined, at);
      else ask(keyState, head, at);
    }
  }

  function askOnce(keyState: KeyState, waiter: Waiter, at: number): void {
    keyState.visitors += 1;
    core.visitors.add(waiter);
    ask(keyState, waiter, at);
  }

  function ask(keyState: KeyState, waiter: Waiter, sentAt: number): void {
    const { request } = waiter;
    waiter.phase = 'asking';
    waiter.round += 1;
    const { round } = waiter;
    if (!waiter.once) keyState.hinted = false;
    waiter.silentSince ??= Math.max(waiter.startedAt, keyState.silentSince ?? sentAt);
    if (keyState.crowded) request.tokens = 1 + settings.localRun.count;
    request.unanswered += 1;
    request.sentAt = sentAt;
    timers.set(
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
        answered(keyState, waiter, request, outcome, round, sentAt);
      },
      (error: unknown) => {
        const definite = isLockError(error) && !error.retryable;
        if (definite) request.unanswered -= 1;
        if (waiter.request !== request || waiter.phase === 'done') return;
        if (definite) fail(keyState, waiter, error);
        else if (waiter.round === round && waiter.phase === 'asking') failed(keyState, waiter, error);
      },
    );
  }

  function answered(
    keyState: KeyState,
    waiter: Waiter,
    request: AcquireRequest,
    outcome: AcquireOutcome,
    round: number,
    sentAt: number,
  ): void {
    const at = now();
    keyState.silentSince = undefined;
    keyState.roundTripMs = at - sentAt;
    // Who left in the meantime has left the request to the reaper.
    if (waiter.phase === 'done' || waiter.request !== request) return;
    if (outcome.status === 'granted') return granted(keyState, waiter, outcome, sentAt, at);
    // Busy, but a newer attempt is under way: its answer counts.
    if (waiter.round !== round || waiter.phase !== 'asking') return;
    waiter.failure = undefined;
    waiter.failures = 0;
    waiter.silentSince = undefined;
    if (waiter.once) {
      core.leave(keyState, waiter, at);
      waiter.resolve(undefined);
    } else if (at >= waiter.waitUntil)
      fail(keyState, waiter, timedOut(keyState.key, adapter.name, at - waiter.startedAt));
    else if (keyState.hold !== undefined) park(keyState, waiter);
    else if (keyState.hinted && keyState.yieldUntil <= at) ask(keyState, waiter, at);
    else sleep(keyState, waiter, outcome.retryAfterMs, at);
  }

  function granted(keyState: KeyState, waiter: Waiter, grant: Granted, sentAt: number, at: number): void {
    const { request } = waiter;
    const deadline = leaseDeadline(sentAt, grant.validForMs, request.ttlMs);
    if (deadline > at) {
      standForward(keyState);
      detach(core, keyState, waiter);
      possess(core, keyState, waiter, grant, deadline, at);
      return advance(keyState, at);
    }
    // So late that another may have it already (H28). A release is sent for that owner value: it is never used again.
    core.reaper.add(request);
    waiter.request = new AcquireRequest(request.key, request.ttlMs);
    failed(
      keyState,
      waiter,
      new Error(`it was granted too late: ttlMs ${request.ttlMs} is too short for this backend`),
    );
  }

  /** No answer, or an answer of no use. */
  function failed(keyState: KeyState, waiter: Waiter, error: unknown): void {
    const at = now();
    waiter.failure = error;
    waiter.failures += 1;
    const until = silentUntil(waiter, waiter.silentSince);
    if (at >= until) return giveUp(keyState, waiter, error, at);
    waiter.phase = 'sleeping';
    timers.set(waiter, Math.min(at + retryMs(waiter.failures), until));
  }

  /** Fails the waiter, and with him all in line who have been without an answer for too long as well. */
  function giveUp(keyState: KeyState, waiter: Waiter, cause: unknown, at: number): void {
    const since = waiter.silentSince ?? at;
    // Whoever is next has the silence counted to him from here on.
    keyState.silentSince = since;
    const outOfTime = [waiter];
    for (let other = keyState.first; other !== undefined; other = other.after) {
      if (other !== waiter && at >= silentUntil(other, Math.max(other.startedAt, since))) outOfTime.push(other);
    }
    // From the last to the first, so that none of them begins to ask.
    for (const other of outOfTime.reverse()) {
      fail(keyState, other, unreachable(keyState.key, adapter.name, at - Math.max(other.startedAt, since), cause));
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

  function sleep(keyState: KeyState, waiter: Waiter, retryAfterMs: number | undefined, at: number): void {
    waiter.phase = 'sleeping';
    tellWait(waiter);
    watchFor(core, keyState, () => hint(keyState));
    const wakeAt = keyState.yieldUntil > at ? keyState.yieldUntil : at + pollMs(keyState, waiter.round, retryAfterMs);
    // At the very end of his patience he asks once more: a hint may have been lost.
    timers.set(waiter, Math.min(wakeAt, waiter.waitUntil));
  }

  /** The lock may be free. */
  function hint(keyState: KeyState): void {
    const at = now();
    keyState.hinted = true;
    turnPassed(keyState, at);
    const head = keyState.first;
    if (head === undefined || keyState.hold !== undefined || head.phase !== 'sleeping') return;
    if (keyState.yieldUntil <= at) ask(keyState, head, at);
    else timers.set(head, Math.min(keyState.yieldUntil, head.waitUntil));
  }

  function onTime(waiter: Waiter, at: number): void {
    const keyState = keys.get(waiter.key);
    if (keyState === undefined) return;
    if (waiter.phase === 'asking') {
      return failed(keyState, waiter, noAnswer(attemptTimeout(settings, waiter.request.ttlMs)));
    }
    // Another task of this process may have it meanwhile (`tryAcquire` does not stand in line).
    if (waiter.phase === 'sleeping') {
      if (keyState.hold !== undefined) return park(keyState, waiter);
      const { failure } = waiter;
      return failure !== undefined && at >= silentUntil(waiter, waiter.silentSince)
        ? giveUp(keyState, waiter, failure, at)
        : ask(keyState, waiter, at);
    }
    // In line behind others: those get no answer either, or the lock was busy all the time.
    const failure = keyState.first?.failure;
    const waitedMs = at - waiter.startedAt;
    if (failure === undefined) fail(keyState, waiter, timedOut(keyState.key, adapter.name, waitedMs));
    else fail(keyState, waiter, unreachable(keyState.key, adapter.name, waitedMs, failure));
  }

  function fail(keyState: KeyState, waiter: Waiter, error: unknown): void {
    core.leave(keyState, waiter, now());
    waiter.reject(error);
  }

  function tellWait(waiter: Waiter): void {
    if (!channels.wait.hasSubscribers) return;
    const { key, acquisition, request } = waiter;
    channels.wait.publish({ adapter: adapter.name, key, acquisition, owner: request.owner });
  }

  return { enter, askOnce, advance, onTime };
}
