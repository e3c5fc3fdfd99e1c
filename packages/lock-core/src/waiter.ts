import { type Context, fail } from './context.ts';
import { timedOut, unreachable } from './errors.ts';
import type { Acquisition, KeyState } from './key-state.ts';

/** What the waiters of a process have in common, however the backend is asked: they queue up here, and their time ends. */

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
