import { channels } from './diagnostics.ts';
import { type LockError, noUpgrade, selfDeadlock } from './errors.ts';
import type { Hold } from './hold.ts';
import type { Acquisition, KeyState } from './key-state.ts';
import type { Lease } from './lease.ts';
import type { LockAdapter } from './lock-adapter.ts';
import type { Settings } from './options.ts';
import { OrphanCleanup } from './orphan-cleanup.ts';
import { holderOf, isWithin } from './owner.ts';
import { type Clock, ProcessKeepalive } from './platform.ts';
import { createGroupedTimers, type GroupedTimers, TimerHeap } from './timer-heap.ts';

/** What the parts of one `Locks` share. */
export interface Context {
  readonly adapter: LockAdapter;
  readonly settings: Settings;
  readonly timers: TimerHeap;
  readonly holdTimers: GroupedTimers;
  /** The keys that somebody here holds or waits for. */
  readonly keys: Map<string, KeyState>;
  /** Attempts outside of a queue. */
  readonly singleAttempts: Set<Acquisition>;
  readonly keepalive: ProcessKeepalive;
  readonly cleanup: OrphanCleanup;
  /** How many wait, in the queues of all keys. */
  waiting: number;
  /** Releases by holders that have no answer yet; `onReleased` is called when there are none left. */
  releasing: number;
  onReleased: (() => void) | undefined;
  /** Leases whose last renewal the backend refused. */
  readonly refusals: WeakMap<Lease, LockError>;
  /** How far the wall clock is ahead of the monotonic one, as of a moment ago. */
  wallAhead(now: number): number;
  closed: boolean;
}

// Reading the wall clock for each acquire would be expensive. A sleep within this time counts for what was acquired after it
// too: that errs on the safe side.
const wallSampleMs = 100;

function wallSampler({ wallNow }: Clock): (now: number) => number {
  let sampledAt = Number.NEGATIVE_INFINITY;
  let ahead = 0;
  return (now) => {
    if (now - sampledAt >= wallSampleMs) {
      sampledAt = now;
      ahead = wallNow() - now;
    }
    return ahead;
  };
}

export function createContext(adapter: LockAdapter, settings: Settings): Context {
  const timers = new TimerHeap(settings.clock);
  const keys = new Map<string, KeyState>();
  const singleAttempts = new Set<Acquisition>();
  return {
    adapter,
    settings,
    timers,
    holdTimers: createGroupedTimers(timers),
    keys,
    singleAttempts,
    keepalive: new ProcessKeepalive(() => pendingAcquisitions({ keys, singleAttempts })),
    cleanup: new OrphanCleanup(adapter, settings, timers),
    waiting: 0,
    releasing: 0,
    onReleased: undefined,
    refusals: new WeakMap(),
    wallAhead: wallSampler(settings.clock),
    closed: false,
  };
}

/** Serves the first waiters of a key, as far as that can be done now, and forgets a key that nobody uses. */
export function advance(context: Context, keyState: KeyState, now: number): void {
  for (;;) {
    const { first } = keyState;
    if (first === undefined) {
      if (keyState.hints !== undefined) keyState.stopHints();
      const { firstLease, key } = keyState;
      if (firstLease === undefined && keyState.idle && context.keys.get(key) === keyState) context.keys.delete(key);
      return;
    }
    if (first.phase !== 'queued' || keyState.exclusive !== undefined || context.closed) return;
    const lease = joinableLease(context, keyState, first, now);
    if (lease === undefined) return first.takeTurn(now);
    detach(context, keyState, first);
    joinReaders(context, keyState, first, lease, now);
  }
}

/**
 * The least that a reader is to get of a lease that others have: some time until the next renewal, and where it is not renewed, nearly
 * as much as a request of its own would bring. The way to the backend costs that, too, and readers that did not join would each wait
 * for the writers once more.
 */
function neededMs({ ttlMs, autoRenew }: Acquisition['options'], lease: Lease): number {
  if (autoRenew) return Math.min(ttlMs, lease.renewMs) / 2;
  const lateMs = Math.max(0, lease.ttlMs - (lease.deadline - lease.grantedAt));
  return Math.max(ttlMs / 2, 0.9 * (ttlMs - lateMs));
}

/**
 * The shared lease of this process that a reader may join. Only for `localRun.ms` after its grant: who comes later has to queue
 * in the backend, behind the writers of other processes.
 */
export function joinableLease(
  context: Context,
  keyState: KeyState,
  { options }: Acquisition,
  now: number,
): Lease | undefined {
  const lease = keyState.lastLease;
  if (lease?.readers === undefined || options.claim.mode !== 'shared' || options.graceMs !== lease.graceMs)
    return undefined;
  const { localRun, clock } = context.settings;
  if (localRun.count === 0 || now - lease.grantedAt >= localRun.ms) return undefined;
  lease.countSleep(clock.wallNow() - now);
  return lease.deadline - now >= neededMs(options, lease) ? lease : undefined;
}

/** Lets a reader share the lease: no round trip, same token. */
export function joinReaders(
  context: Context,
  keyState: KeyState,
  acquisition: Acquisition,
  lease: Lease,
  now: number,
): void {
  // An owner that asked twice at the same time has one hold, which it releases twice.
  const own = lease.readers?.get(acquisition.owner);
  if (own !== undefined) own.count += 1;
  const hold = own ?? lease.join(acquisition, now);
  context.holdTimers.set(lease, lease.dueAt);
  admit(context, keyState, acquisition, lease, hold, 'hand-over', now);
}

/** Takes an acquisition off the queue and the clock. */
export function detach(context: Context, keyState: KeyState, acquisition: Acquisition): void {
  acquisition.phase = 'done';
  if (acquisition.heapIndex >= 0) context.timers.clear(acquisition);
  acquisition.stopListening?.();
  if (acquisition.keptAlive) context.keepalive.done(acquisition);
  if (!acquisition.once) {
    context.waiting -= 1;
    return keyState.remove(acquisition);
  }
  keyState.singleAttempts -= 1;
  context.singleAttempts.delete(acquisition);
}

/** Takes an acquisition off the queue without a grant, and gives up what it requested: that may still be granted. */
export function leave(context: Context, keyState: KeyState, acquisition: Acquisition, now: number): void {
  detach(context, keyState, acquisition);
  acquisition.abandon();
  advance(context, keyState, now);
}

export function fail(context: Context, keyState: KeyState, acquisition: Acquisition, error: unknown): void {
  // What is called on the way, such as a subscriber of a channel, may have ended it already.
  if (acquisition.phase === 'done') return;
  leave(context, keyState, acquisition, context.settings.clock.now());
  acquisition.reject(error);
}

/** Gives the caller a lock on a hold that stands, and lets in the waiters that are nested in it. */
export function admit(
  context: Context,
  keyState: KeyState,
  acquisition: Acquisition,
  lease: Lease,
  hold: Hold,
  via: 'backend' | 'hand-over',
  now: number,
): void {
  if (channels.grant.hasSubscribers) tellGrant(context, acquisition, lease, hold, via, now);
  acquisition.resolve(acquisition.toLock(lease, hold));
  if (hold.mode === 'permits' || keyState.first === undefined) return;
  for (const waiter of nestedWaiters(keyState, hold)) {
    // What happened to those before it may have ended it.
    if (waiter.phase === 'done' || hold.state !== 'held') continue;
    leave(context, keyState, waiter, now);
    const refused = reentryRefusal(waiter, hold);
    if (refused !== undefined) waiter.reject(refused);
    else {
      reenter(context, waiter, lease, hold, now);
      waiter.resolve(waiter.toLock(lease, hold));
    }
  }
}

function nestedWaiters(keyState: KeyState, hold: Hold): readonly Acquisition[] {
  const nested: Acquisition[] = [];
  for (let waiter = keyState.first; waiter !== undefined; waiter = waiter.after) {
    if (isWithin(waiter.owner, hold.owner)) nested.push(waiter);
  }
  return nested;
}

/** Why an owner may not re-enter its own hold: it would wait for itself. */
export function reentryRefusal({ key, options }: Acquisition, hold: Hold): LockError | undefined {
  if (!options.reentrant) return selfDeadlock(key);
  return hold.mode === 'shared' && options.claim.mode === 'exclusive' ? noUpgrade(key) : undefined;
}

/** Counts one more lock on the owner's own hold: no round trip, same token, same signal. */
export function reenter(context: Context, acquisition: Acquisition, lease: Lease, hold: Hold, now: number): void {
  hold.count += 1;
  if (channels.grant.hasSubscribers) tellGrant(context, acquisition, lease, hold, 'reentry', now);
}

function tellGrant(
  context: Context,
  acquisition: Acquisition,
  lease: Lease,
  hold: Hold,
  via: string,
  now: number,
): void {
  channels.grant.publish({
    adapter: context.adapter.name,
    key: hold.key,
    acquisition: acquisition.number,
    owner: lease.owner,
    via,
    waitedMs: now - acquisition.startedAt,
    mode: hold.mode,
    holder: holderOf(lease.owner)?.name,
    ttlMs: lease.renewMs,
    fencingToken: hold.fencingToken,
  });
}

/** All pending acquisitions, in the queues of their keys and outside of them. */
export function* pendingAcquisitions({
  keys,
  singleAttempts,
}: Pick<Context, 'keys' | 'singleAttempts'>): Generator<Acquisition> {
  for (const keyState of keys.values()) {
    for (let acquisition = keyState.first; acquisition !== undefined; acquisition = acquisition.after)
      yield acquisition;
  }
  yield* singleAttempts;
}
