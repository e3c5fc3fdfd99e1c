import { callWithTimeout } from './backend-call.ts';
import { admit, advance, type Context, detach } from './context.ts';
import { channels } from './diagnostics.ts';
import { expired, heldTooLong, type LockError, lost } from './errors.ts';
import type { Hold } from './hold.ts';
import type { Acquisition, KeyState } from './key-state.ts';
import { isSameClaim, type Lease } from './lease.ts';
import type { Claim, ReleaseOutcome } from './lock-adapter.ts';
import { attemptTimeout } from './options.ts';
import { deferAfterRelease, letNextAsk } from './waiting.ts';

/**
 * Releases one lock of a hold; the last one frees it, the last reader the lease. Never rejects: when the backend does not answer,
 * the critical section is over all the same and the clean-up follows up, so that is `released` too (H14).
 */
export function releaseHold(context: Context, lease: Lease, hold: Hold): Promise<'released' | 'lost'> {
  if (hold.state !== 'held') {
    endGrace(context, lease, hold);
    return Promise.resolve('lost');
  }
  hold.count -= 1;
  if (hold.count > 0) return Promise.resolve('released');
  const now = context.settings.clock.now();
  const keyState = context.keys.get(hold.key);
  hold.state = 'released';
  if (lease.readers !== undefined && !lease.part(hold)) {
    tell(context, lease, hold, 'released', now);
    return Promise.resolve('released');
  }
  if (keyState !== undefined && handOver(context, keyState, lease, now)) {
    tell(context, lease, hold, 'handed-over', now);
    return Promise.resolve('released');
  }
  end(context, lease);
  const isKept = lease.unreleased !== undefined && now < lease.keepUntil;
  const outcome = isKept ? keep(context, lease, hold, now) : free(context, lease, hold, now);
  if (keyState?.removeLease(lease)) letNextAsk(context, keyState, outcome, now);
  return outcome;
}

/** The last reader is gone, but not the grace of one that ended by itself. */
function keep(context: Context, lease: Lease, hold: Hold, now: number): Promise<'released'> {
  context.cleanup.addLater(lease, lease.keepUntil);
  tell(context, lease, hold, 'released', now);
  return Promise.resolve('released');
}

/** No command is sent for the lease after this (H54). */
function end(context: Context, lease: Lease): void {
  lease.over = true;
  context.holdTimers.clear(lease);
}

function free(context: Context, lease: Lease, hold: Hold, now: number): Promise<'released' | 'lost'> {
  const { adapter, cleanup, settings, timers } = context;
  const unanswered = (): 'released' => {
    cleanup.add(lease);
    tell(context, lease, hold, 'unknown', now);
    return 'released';
  };
  const answered = (reply: ReleaseOutcome): 'released' | 'lost' => {
    if (reply !== 'released' && reply !== 'not-held') return unanswered();
    // An acquire without an answer may arrive behind the release.
    if (lease.unanswered > 0) cleanup.add(lease);
    if (reply === 'not-held') {
      hold.markLost(lost(hold.key, adapter.name, 'it was gone before it was released (expired, or released by force)'));
    } else if (lease.othersWaiting > 0 && adapter.enqueue === undefined) deferAfterRelease(context, lease, now);
    const outcome = reply === 'released' ? 'released' : 'lost';
    tell(context, lease, hold, outcome, now);
    return outcome;
  };
  const withinMs = attemptTimeout(settings, lease.renewMs);
  context.releasing += 1;
  const end = (): void => {
    context.releasing -= 1;
    if (context.releasing === 0) context.onReleased?.();
  };
  return callWithTimeout(timers, now, withinMs, () => adapter.release(lease)).then(
    (reply) => {
      end();
      return answered(reply);
    },
    () => {
      end();
      return unanswered();
    },
  );
}

/**
 * Passes the lease on to the next waiter of this process without a round trip: a cohort lock (Dice, Marathe, Shavit 2012). The
 * backend keeps seeing one hold; the new holder gets the next token of the reserved block. False when the lock has to be
 * released for real: nobody fits, or the batch is over and it is the turn of other processes.
 */
function handOver(context: Context, keyState: KeyState, lease: Lease, now: number): boolean {
  const next = lease.claim.mode === 'permits' ? nextForPermit(keyState, lease.claim) : keyState.first;
  if (next === undefined || lease.pinned || lease.claim.mode === 'shared') return false;
  if (!isSameClaim(next.options.claim, lease.claim)) return false;
  const { count, ms } = context.settings.localRun;
  const hasToken = lease.token === undefined || lease.tokensLeft > 0;
  const batchMs = now - lease.grantedAt;
  if (!hasToken || lease.handOvers >= count || batchMs >= ms) return false;
  const { options } = next;
  const fits =
    lease.renewing > 0 &&
    options.autoRenew &&
    options.ttlMs === lease.renewMs &&
    options.graceMs === lease.graceMs &&
    batchMs < options.maxHoldMs;
  // Half of the time must be left, so that the new holder does not start with a lease that is about to end, or that ended while
  // the machine slept.
  lease.countSleep(context.settings.clock.wallNow() - now);
  if (!fits || lease.deadline - now <= lease.renewMs / 2) return false;

  detach(context, keyState, next);
  next.abandon();
  const hold = lease.handOver(next, now);
  context.holdTimers.set(lease, lease.dueAt);
  admit(context, keyState, next, lease, hold, 'hand-over', now);
  return true;
}

/**
 * The first waiter here, but not while the backend has yet to answer it: that answer may be a further permit. Hand-overs come faster
 * than answers, and if each of them ended the request of its waiter, the process would never get a second permit. Nobody passes one
 * that asks for another number of permits: it takes none over, and would starve behind those who do.
 */
function nextForPermit({ first }: KeyState, claim: Claim): Acquisition | undefined {
  const isAsking = first?.phase === 'asking' && !first.lease?.queued;
  return isAsking && isSameClaim(first.options.claim, claim) ? (first.after ?? first) : first;
}

/** Lets in the readers of this process that wait at the head of the queue. */
export function downgraded(context: Context, lease: Lease): void {
  const keyState = context.keys.get(lease.key);
  if (keyState !== undefined && !lease.over) advance(context, keyState, context.settings.clock.now());
}

/** Ends a lease that is gone: tells its holders, cleans up in the backend, and lets the next waiter of this process ask. */
export function loseLease(
  context: Context,
  lease: Lease,
  error: LockError,
  backend: 'may still hold it' | 'is to keep it for the grace' | 'is free of it',
): void {
  if (lease.over) return;
  end(context, lease);
  // A listener that acquires the key again must not re-enter what it is just told to have lost (H124).
  const keyState = context.keys.get(lease.key);
  const stood = keyState?.removeLease(lease);
  const holders = [...lease.holds()].filter(({ state }) => state === 'held');
  const isKept = backend === 'is to keep it for the grace' && lease.graceMs > 0;
  if (isKept) {
    beginGrace(context, lease, holders);
    context.cleanup.addLater(lease, lease.keepUntil);
  }
  // Before anything is sent the holders have to stop.
  for (const hold of holders) tellLoss(context, lease, hold, error);
  if (!isKept && (backend !== 'is free of it' || lease.unanswered > 0)) context.cleanup.add(lease);
  if (stood) advance(context, keyState as KeyState, context.settings.clock.now());
}

/**
 * The holders may be paused, or at work until they hear of it, or have sent what has not arrived yet: the backend is to keep the key
 * for the grace, as after a crash, or until all of them have released.
 */
function beginGrace(context: Context, lease: Lease, holders: readonly Hold[]): void {
  lease.unreleased = new Set([...(lease.unreleased ?? []), ...holders]);
  lease.keepUntil = context.settings.clock.now() + lease.graceMs;
}

function endGrace(context: Context, lease: Lease, hold: Hold): void {
  hold.count -= 1;
  if (hold.count > 0 || !lease.unreleased?.delete(hold) || lease.unreleased.size > 0) return;
  lease.unreleased = undefined;
  // Others may read on.
  if (lease.over) context.cleanup.add(lease);
}

function tellLoss(context: Context, lease: Lease, hold: Hold, error: LockError): void {
  hold.markLost(error);
  if (!channels.lost.hasSubscribers) return;
  const { key, acquisition } = hold;
  channels.lost.publish({ adapter: context.adapter.name, key, acquisition, owner: lease.owner, reason: error });
}

/** Ends what is over: after a stall or a sleep the clocks know it before any timer fires (H48). */
export function expireIfDue(context: Context, lease: Lease): void {
  if (lease.over) return;
  const { clock } = context.settings;
  const now = clock.now();
  const sleptMs = lease.countSleep(clock.wallNow() - now);
  if (now >= lease.deadline) {
    const error = expired(lease.key, context.adapter.name, context.refusals.get(lease));
    return loseLease(context, lease, error, 'is to keep it for the grace');
  }
  if (now >= lease.endsAt) endHolds(context, lease, now);
  if (sleptMs === 0 || lease.over) return;
  // What may have ended meanwhile is renewed before anything else.
  if (lease.renewing > 0 && sleptMs > lease.renewMs / 3) lease.renewAt = now;
  context.holdTimers.set(lease, lease.dueAt);
}

/** The same for all leases of a key. */
export function expireAllDue(context: Context, keyState: KeyState): void {
  const { firstLease, lastLease } = keyState;
  // Mostly there is one, and then no list of them is needed.
  if (firstLease !== undefined && firstLease === lastLease) expireIfDue(context, firstLease);
  else for (const lease of keyState.leases()) expireIfDue(context, lease);
}

/** Ends the holds whose own time is up; the lease stands for as long as others share it. */
function endHolds(context: Context, lease: Lease, now: number): void {
  const { name } = context.adapter;
  for (const hold of [...lease.holds()]) {
    if (now < hold.endsAt || hold.state !== 'held') continue;
    const isTooLong = now >= hold.since + hold.options.maxHoldMs;
    const error = isTooLong ? heldTooLong(hold.key, name, hold.options.maxHoldMs) : expired(hold.key, name);
    if (lease.readers === undefined || lease.readers.size === 1) {
      return loseLease(context, lease, error, 'is to keep it for the grace');
    }
    lease.part(hold);
    if (lease.graceMs > 0) beginGrace(context, lease, [hold]);
    tellLoss(context, lease, hold, error);
    if (lease.over) return;
  }
  lease.findEnd();
  context.holdTimers.set(lease, lease.dueAt);
}

function tell(context: Context, lease: Lease, hold: Hold, outcome: string, now: number): void {
  if (!channels.release.hasSubscribers) return;
  channels.release.publish({
    adapter: context.adapter.name,
    key: hold.key,
    acquisition: hold.acquisition,
    owner: lease.owner,
    outcome,
    heldMs: now - hold.since,
  });
}
