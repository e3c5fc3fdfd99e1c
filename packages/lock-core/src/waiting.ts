import { callWithTimeout } from './backend-call.ts';
import { advance, type Context, fail } from './context.ts';
import { timedOut, unreachable } from './errors.ts';
import { type Acquisition, KeyState } from './key-state.ts';
import type { Lease } from './lease.ts';
import type { LockAdapter } from './lock-adapter.ts';
import { attemptTimeout } from './options.ts';
import { sharedController } from './platform.ts';

/** What both ways of waiting have in common: a waiter queues up here, gives its place up, becomes the holder, or runs out of time. */

/** Waits behind others of this process; wakes only when the time is up. */
export function park({ adapter, timers }: Context, keyState: KeyState, waiter: Acquisition): void {
  keyState.contended = true;
  waiter.phase = 'queued';
  waiter.failure = undefined;
  waiter.unansweredSince = undefined;
  if (waiter.waitUntil !== Number.POSITIVE_INFINITY) timers.set(waiter, waiter.waitUntil);
  else timers.clear(waiter);
  waiter.tellWait(adapter.name);
}

/** The time is up behind others of this process: those get no answer either, or the lock was busy all the time. */
export function endParked(context: Context, keyState: KeyState, waiter: Acquisition, now: number): void {
  const cause = keyState.first?.silence(now);
  const endedBy = cause === undefined ? timedOut : unreachable;
  fail(context, keyState, waiter, endedBy(waiter.key, context.adapter.name, now - waiter.startedAt, cause));
}

/** Fails an acquisition, and with it all in the queue that have been without an answer for too long as well. */
export function giveUp(context: Context, keyState: KeyState, first: Acquisition, cause: unknown, now: number): void {
  const since = first.unansweredSince ?? now;
  // The silence counts for whoever is next from here on.
  keyState.unansweredSince = since;
  // From the last to the first, so that none of them begins to ask; and this one in any case.
  for (const waiter of [...keyState.outOfPatience(context.settings, since, now), first]) {
    const forMs = now - Math.max(waiter.startedAt, since);
    fail(context, keyState, waiter, unreachable(waiter.key, context.adapter.name, forMs, cause));
  }
}

/** The reason with which a place is withdrawn: an `enqueue` that rejects with it has given the place up. */
export const withdrawn: Error = new Error('the caller no longer waits');

/** A request on its way: a single one, or a place in the backend's queue. Its waiter may leave, and another one take it over. */
export interface Place<Waiter> {
  readonly lease: Lease;
  readonly sentAt: number;
  /** Who gets the lock; `undefined` when nobody waits for the answer any more. */
  waiter: Waiter | undefined;
  /** Gives up the place in the backend's queue; set while there may be one. */
  withdraw: (() => void) | undefined;
}

/** Has the adapter give up the place; where that is not certain, the clean-up follows up. */
export function withdrawPlace(
  { cleanup, settings, timers }: Context,
  lease: Lease,
  grant: Promise<unknown>,
  withdrawal: AbortController,
): void {
  withdrawal.abort(withdrawn);
  const cleanUp = (): void => cleanup.add(lease);
  const now = settings.clock.now();
  const withinMs = attemptTimeout(settings, lease.ttlMs);
  const answered = callWithTimeout(timers, now, withinMs, () => grant, cleanUp);
  cleanup.await(
    answered.then(cleanUp, () => {
      if (lease.unanswered > 0) cleanUp();
    }),
  );
}

// An adapter whose hints come without end must not keep the process from everything else: then there is the poll.
const mostHintsPerMs = 256;

/**
 * Listens for release hints about a key, if the adapter has them, until `keyState.stopHints()`. Calls `onHint` when the subscription
 * first stands (a release may have gone by before) and at each later hint. The next hint is requested before `onHint` runs, so
 * that none is missed while the backend is asked (subscribe, look again, then sleep: H37).
 */
export function listenForHints(adapter: LockAdapter, keyState: KeyState, now: () => number, onHint: () => void): void {
  if (adapter.whenFree === undefined || keyState.hints !== undefined) return;
  const hints = sharedController();
  keyState.hints = hints;
  const nextHint = async (): Promise<void> => adapter.whenFree?.(keyState.key, hints.signal);
  let burst = 0;
  let burstSince = now();
  const isFlood = (at: number): boolean => {
    if (at - burstSince >= 1) {
      burst = 0;
      burstSince = at;
    }
    burst += 1;
    return burst > mostHintsPerMs;
  };
  const listen = (): void => {
    nextHint().then(
      () => {
        if (keyState.hints !== hints) return;
        if (isFlood(now())) return keyState.stopHints();
        keyState.hintsStand = true;
        listen();
        onHint();
      },
      () => {
        // The poll goes on without hints; the next sleep subscribes again.
        if (keyState.hints === hints) keyState.stopHints();
      },
    );
  };
  listen();
}

// A slow answer says little about how long the others need.
const longestDeferralMs = 50;

/** Lets the next waiter of this process ask, behind those of others. */
export function letNextAsk(context: Context, keyState: KeyState, outcome: Promise<unknown>, now: number): void {
  const { first } = keyState;
  if (first !== undefined && context.adapter.enqueue === undefined) deferToOthers(context, keyState, outcome, now);
  // Behind holders of its own process it may already have asked, and been refused.
  if (first?.phase === 'sleeping') first.hint(now);
  // Sent right behind the release, the request of the next waiter costs no round trip of its own.
  else advance(context, keyState, now);
}

/**
 * A backend without a queue keeps no order, and a request right behind the release would win each time. So this process asks again
 * once the release is answered, when the others have heard of it as well.
 */
function deferToOthers(context: Context, keyState: KeyState, outcome: Promise<unknown>, now: number): void {
  const until = now + longestDeferralMs;
  keyState.deferredUntil = until;
  void outcome.then(() => {
    if (keyState.deferredUntil !== until) return;
    keyState.deferredUntil = Number.NEGATIVE_INFINITY;
    keyState.first?.hint(context.settings.clock.now());
  });
}

/**
 * The same where nobody here waits yet and the backend has seen others wait: a task that takes the key again at once would win each
 * time, since the others hear of the release no sooner. Each of them gets the time to hear of it and to ask.
 */
export function deferAfterRelease(context: Context, { key, othersWaiting }: Lease, sentAt: number): void {
  if (context.closed || context.keys.has(key)) return;
  const now = context.settings.clock.now();
  const turnMs = Math.max(1, 2 * (now - sentAt));
  const keyState = new KeyState(key, undefined);
  keyState.deferredUntil = now + Math.min(othersWaiting * turnMs, longestDeferralMs);
  context.keys.set(key, keyState);
  const forget = (at: number): void => advance(context, keyState, at);
  context.timers.set({ at: 0, heapIndex: -1, fire: forget }, keyState.deferredUntil);
}
