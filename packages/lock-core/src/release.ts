import { callWithTimeout } from './backend-call.ts';
import { admit, advance, type Context, detach } from './context.ts';
import { channels } from './diagnostics.ts';
import { expired, type LockError, lost } from './errors.ts';
import type { Hold } from './hold.ts';
import { KeyState } from './key-state.ts';
import type { ReleaseOutcome } from './lock-adapter.ts';
import { attemptTimeout } from './options.ts';

// While other processes wait: enough hand-overs to amortise a round trip, few enough that nobody waits long.
const roundsPerBatch = 2;

/**
 * Releases one lock of a hold; the last one frees it. Never rejects: when the backend does not answer, the critical section is
 * over all the same and the clean-up follows up, so that is `released` too (H14).
 */
export function releaseHold(context: Context, hold: Hold): Promise<'released' | 'lost'> {
  if (hold.state !== 'held') return Promise.resolve('lost');
  hold.count -= 1;
  if (hold.count > 0) return Promise.resolve('released');
  const now = context.settings.clock.now();
  const keyState = context.keys.get(hold.key);
  hold.state = 'released';
  if (keyState !== undefined && handOver(context, keyState, hold, now)) {
    tell(context, hold, 'handed-over', now);
    return Promise.resolve('released');
  }
  end(context, hold);
  const outcome = free(context, hold, now);
  if (keyState !== undefined) {
    keyState.hold = undefined;
    // Sent right behind the release, the request of the next waiter costs no round trip of its own.
    advance(context, keyState, now);
  }
  return outcome;
}

/** No command is sent for the hold after this (H54). */
function end(context: Context, hold: Hold): void {
  hold.over = true;
  context.holdTimers.clear(hold);
}

function free(context: Context, hold: Hold, now: number): Promise<'released' | 'lost'> {
  const { adapter, cleanup, settings, timers } = context;
  const { request } = hold;
  request.othersWaiting = undefined;
  const unanswered = (): 'released' => {
    cleanup.add(request);
    tell(context, hold, 'unknown', now);
    return 'released';
  };
  const answered = (reply: ReleaseOutcome): 'released' | 'lost' => {
    if (reply !== 'released' && reply !== 'not-held') return unanswered();
    // An acquire without an answer may arrive behind the release.
    if (request.unanswered > 0) cleanup.add(request);
    if (reply === 'not-held') {
      hold.markLost(lost(hold.key, adapter.name, 'it was gone before it was released (expired, or released by force)'));
    } else if (request.othersWaiting) deferAfterRelease(context, hold.key, request.othersWaiting, now);
    const outcome = reply === 'released' ? 'released' : 'lost';
    tell(context, hold, outcome, now);
    return outcome;
  };
  const withinMs = attemptTimeout(settings, hold.ttlMs);
  return callWithTimeout(timers, now, withinMs, () => adapter.release(request)).then(answered, unanswered);
}

/**
 * Passes the hold on to the next waiter of this process without a round trip: a cohort lock (Dice, Marathe, Shavit 2012). The
 * backend keeps seeing one hold; the new holder gets the next token of the reserved block. False when the lock has to be
 * released for real: nobody fits, or the batch is over and it is the turn of other processes.
 */
function handOver(context: Context, keyState: KeyState, hold: Hold, now: number): boolean {
  const next = keyState.first;
  // A queue in the backend keeps its own order: nothing is handed over past it.
  if (next === undefined || context.adapter.enqueue !== undefined) return false;
  const hasToken = hold.fencingToken === undefined || hold.tokensLeft > 0;
  if (!hasToken && hold.handOvers === 0) return false;
  const { count, ms } = context.settings.localRun;
  const batchMs = now - (hold.batchSince ?? hold.since);
  if (!hasToken || hold.handOvers >= count || batchMs >= ms || othersAreDue(hold, next.startedAt, now)) {
    // Where the backend can tell that nobody else waits, nobody has to be let through.
    const others = hold.request.othersWaiting ?? 1;
    if (others > 0) keyState.deferTo(others, now);
    return false;
  }
  const { options } = next;
  const fits =
    hold.options.autoRenew && options.autoRenew && options.ttlMs === hold.ttlMs && batchMs < options.maxHoldMs;
  // Half of the time must be left, so that the new holder does not start with a lease that is about to end, or that ended while
  // the machine slept.
  hold.countSleep(context.settings.clock.wallNow() - now);
  if (!fits || hold.deadline - now <= hold.ttlMs / 2) return false;

  context.holdTimers.clear(hold);
  detach(context, keyState, next);
  next.abandon();
  const passed = hold.handOver(next, now);
  keyState.hold = passed;
  context.holdTimers.set(passed, passed.dueAt);
  admit(context, keyState, next, passed, 'hand-over', now);
  return true;
}

/** Whether all waiters here have had their turns while others wait. Who asked after a round began belongs to the next one. */
function othersAreDue(hold: Hold, nextStartedAt: number, now: number): boolean {
  if (!hold.request.othersWaiting) return false;
  if (nextStartedAt >= (hold.roundSince ?? hold.batchSince ?? hold.since)) {
    hold.rounds += 1;
    hold.roundSince = now;
  }
  return hold.rounds >= roundsPerBatch;
}

/**
 * After a release while nobody here waits and others do, whoever asks next defers to them: a task that takes the key again at
 * once would win each time, since the others hear of the release no sooner.
 */
function deferAfterRelease(context: Context, key: string, others: number, sentAt: number): void {
  if (context.closed) return;
  const now = context.settings.clock.now();
  const keyState = context.keys.get(key) ?? new KeyState(key);
  if (keyState.hold !== undefined || keyState.first !== undefined) return;
  keyState.roundTripMs = now - sentAt;
  keyState.deferTo(others, now);
  context.keys.set(key, keyState);
  const forget = (at: number): void => advance(context, keyState, at);
  context.timers.set({ at: 0, heapIndex: -1, fire: forget }, keyState.deferredUntil);
}

/** Ends a hold that is gone: tells the holder, cleans up in the backend, and lets the next waiter of this process ask. */
export function loseHold(
  context: Context,
  hold: Hold,
  error: LockError,
  backend: 'may still hold it' | 'is free of it',
): void {
  if (hold.state !== 'held') return;
  const { request } = hold;
  end(context, hold);
  // A listener that acquires the key again must not re-enter what it is just told to have lost (H124).
  const keyState = context.keys.get(hold.key);
  const stands = keyState?.hold === hold;
  if (stands) keyState.hold = undefined;
  // Before anything else the holder has to stop.
  hold.markLost(error);
  if (channels.lost.hasSubscribers) {
    const { key, acquisition } = hold;
    channels.lost.publish({ adapter: context.adapter.name, key, acquisition, owner: request.owner, reason: error });
  }
  if (backend === 'may still hold it' || request.unanswered > 0) context.cleanup.add(request);
  if (stands) advance(context, keyState, context.settings.clock.now());
}

/** Ends the hold if its time is over: after a stall or a sleep the clocks know it before any timer fires (H48). */
export function expireIfDue(context: Context, hold: Hold): void {
  if (hold.state !== 'held') return;
  const { clock } = context.settings;
  const now = clock.now();
  const sleptMs = hold.countSleep(clock.wallNow() - now);
  if (now >= hold.deadline) {
    return loseHold(context, hold, expired(hold.key, context.adapter.name), 'may still hold it');
  }
  if (sleptMs === 0) return;
  // What may have ended meanwhile is renewed before anything else.
  if (hold.options.autoRenew && sleptMs > hold.ttlMs / 3) hold.renewAt = now;
  context.holdTimers.set(hold, hold.dueAt);
}

function tell(context: Context, hold: Hold, outcome: string, now: number): void {
  if (!channels.release.hasSubscribers) return;
  channels.release.publish({
    adapter: context.adapter.name,
    key: hold.key,
    acquisition: hold.acquisition,
    owner: hold.request.owner,
    outcome,
    heldMs: now - hold.since,
  });
}
