import type { Waiter } from './acquisition.ts';
import { bounded } from './backend-call.ts';
import type { Core } from './context.ts';
import { channels } from './diagnostics.ts';
import { isLockError } from './errors.ts';
import { noAnswer, timedOut, unreachable } from './failures.ts';
import { detach, possess } from './grant.ts';
import type { KeyState } from './key-state.ts';
import { leaseDeadline } from './lease.ts';
import type { Granted } from './lock-adapter.ts';
import { attemptTimeout } from './options.ts';
import { AcquireRequest } from './request.ts';
import { retryMs } from './waits.ts';

/**
 * How waiters get a lock from a backend with a FIFO queue of its own: each takes his place there, and core only sees to
 * time-outs, aborts and failures. A place that is given up is withdrawn by the adapter, else by the reaper (H42).
 */
export interface NativeQueue {
  enter(keyState: KeyState, waiter: Waiter): void;
  onTime(waiter: Waiter, now: number): void;
}

export function createNativeQueue(core: Core): NativeQueue {
  const { adapter, timers, settings, keys } = core;
  const now = settings.clock.now;

  function enter(keyState: KeyState, waiter: Waiter): void {
    keyState.append(waiter);
    if (waiter.waitUntil !== Number.POSITIVE_INFINITY) timers.set(waiter, waiter.waitUntil);
    // In the same process asking costs nothing, and spares an uncontended caller a place in the queue.
    if (adapter.capabilities.crossProcess || keyState.hold !== undefined) place(keyState, waiter);
    else void askFirst(keyState, waiter);
  }

  async function askFirst(keyState: KeyState, waiter: Waiter): Promise<void> {
    const { request } = waiter;
    const sentAt = send(waiter);
    try {
      const outcome = await adapter.tryAcquire(request);
      core.reaper.acquireAnswered(request, outcome);
      if (waiter.phase === 'done') return;
      if (outcome.status === 'granted') granted(keyState, waiter, outcome, sentAt);
      else {
        request.onQueued();
        place(keyState, waiter);
      }
    } catch (error) {
      if (waiter.phase !== 'done') failed(keyState, waiter, error, sentAt);
    }
  }

  /** Counts a request as sent, at the time that is returned. */
  function send(waiter: Waiter): number {
    const at = now();
    waiter.phase = 'asking';
    waiter.request.unanswered += 1;
    waiter.request.sentAt = at;
    return at;
  }

  function place(keyState: KeyState, waiter: Waiter): void {
    const { request } = waiter;
    const sentAt = send(waiter);
    if (channels.wait.hasSubscribers) {
      const { key, acquisition } = waiter;
      channels.wait.publish({ adapter: adapter.name, key, acquisition, owner: request.owner });
    }
    const withdrawal = new AbortController();
    // An adapter that throws instead of rejecting is treated alike.
    const grant = new Promise<Granted>((resolve) => {
      resolve((adapter.enqueue as NonNullable<typeof adapter.enqueue>)(request, withdrawal.signal));
    });
    waiter.withdraw = () => withdraw(request, grant, withdrawal);
    grant.then(
      (outcome) => {
        if (waiter.phase === 'done' || waiter.request !== request) return;
        request.unanswered -= 1;
        waiter.withdraw = undefined;
        granted(keyState, waiter, outcome, sentAt);
      },
      (error: unknown) => {
        if (waiter.phase === 'done' || waiter.request !== request) return;
        waiter.withdraw = undefined;
        failed(keyState, waiter, error, sentAt);
      },
    );
  }

  /** Has the adapter give up the place; where that is not certain, the reaper sees to it. */
  function withdraw(request: AcquireRequest, grant: Promise<Granted>, withdrawal: AbortController): void {
    const reason = new Error('the caller no longer waits');
    withdrawal.abort(reason);
    const reap = (): void => core.reaper.add(request);
    const withdrawn = bounded(timers, now(), attemptTimeout(settings, request.ttlMs), () => grant, reap);
    core.reaper.await(
      withdrawn.then(reap, (error: unknown) => {
        if (error !== reason) reap();
      }),
    );
  }

  function granted(keyState: KeyState, waiter: Waiter, grant: Granted, sentAt: number): void {
    const { request } = waiter;
    const deadline = leaseDeadline(sentAt, grant.validForMs, request.ttlMs);
    const at = now();
    if (deadline <= at) {
      return failed(
        keyState,
        waiter,
        new Error(`it was granted too late: ttlMs ${request.ttlMs} is too short for this backend`),
        sentAt,
      );
    }
    detach(core, keyState, waiter);
    possess(core, keyState, waiter, grant, deadline, at);
    core.advance(keyState, at);
  }

  /** The place is gone, or nobody knows: clean up, and queue anew under another owner value. */
  function failed(keyState: KeyState, waiter: Waiter, error: unknown, sentAt: number): void {
    const { request } = waiter;
    const at = now();
    if (isLockError(error) && !error.retryable) {
      request.unanswered -= 1;
      core.leave(keyState, waiter, at);
      return waiter.reject(error);
    }
    core.reaper.add(request);
    waiter.request = new AcquireRequest(request.key, request.ttlMs);
    // Who was in the queue had an answer; for anyone else the silence goes on.
    if (request.queued) waiter.failingSince = at;
    else if (waiter.failure === undefined) waiter.failingSince = sentAt;
    waiter.failure = error;
    waiter.failures += 1;
    if (at - waiter.failingSince >= settings.backendTimeoutMs) {
      core.leave(keyState, waiter, at);
      return waiter.reject(unreachable(keyState.key, adapter.name, at - waiter.failingSince, error));
    }
    waiter.phase = 'sleeping';
    timers.set(waiter, Math.min(at + retryMs(waiter.failures), waiter.waitUntil));
  }

  function onTime(waiter: Waiter, at: number): void {
    const keyState = keys.get(waiter.key);
    if (keyState === undefined) return;
    if (at < waiter.waitUntil) {
      if (waiter.waitUntil !== Number.POSITIVE_INFINITY) timers.set(waiter, waiter.waitUntil);
      return place(keyState, waiter);
    }
    const waitedMs = at - waiter.startedAt;
    const leastMs = attemptTimeout(settings, waiter.terms.ttlMs);
    // However short his patience, the backend gets the time of one attempt to answer.
    if (!waiter.request.queued && waitedMs < leastMs) return timers.set(waiter, waiter.startedAt + leastMs);
    core.leave(keyState, waiter, at);
    if (waiter.request.queued) waiter.reject(timedOut(keyState.key, adapter.name, waitedMs));
    else waiter.reject(unreachable(keyState.key, adapter.name, waitedMs, waiter.failure ?? noAnswer(waitedMs)));
  }

  return { enter, onTime };
}
