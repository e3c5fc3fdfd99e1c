import type { Acquisition } from './acquisition.ts';
import type { Clock } from './api.ts';
import { channels } from './diagnostics.ts';
import { selfDeadlock } from './errors.ts';
import type { Hold } from './hold.ts';
import type { KeyState } from './key-state.ts';
import type { LockAdapter } from './lock-adapter.ts';
import type { Settings } from './options.ts';
import { OrphanCleanup } from './orphan-cleanup.ts';
import { isWithin } from './owner.ts';
import { ProcessKeepalive } from './process-keepalive.ts';
import { stopHints } from './release-hints.ts';
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
    keepalive: new ProcessKeepalive(keys, singleAttempts),
    cleanup: new OrphanCleanup(adapter, settings, timers),
    wallAhead: wallSampler(settings.clock),
    closed: false,
  };
}

/** Lets the first waiter of a key ask, if the key is not held here, and forgets a key that nobody uses. */
export function advance(context: Context, keyState: KeyState, now: number): void {
  const { first } = keyState;
  if (first === undefined) {
    if (keyState.hints !== undefined) stopHints(keyState);
    if (keyState.idle && context.keys.get(keyState.key) === keyState) context.keys.delete(keyState.key);
  } else if (keyState.hold === undefined && first.phase === 'queued' && !context.closed) first.takeTurn(now);
}

/** Takes an acquisition off the queue and the clock. */
export function detach(context: Context, keyState: KeyState, acquisition: Acquisition): void {
  acquisition.phase = 'done';
  if (acquisition.heapIndex >= 0) context.timers.clear(acquisition);
  acquisition.stopListening?.();
  if (acquisition.keptAlive) context.keepalive.done(acquisition);
  if (!acquisition.once) return keyState.remove(acquisition);
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
  hold: Hold,
  via: 'backend' | 'hand-over',
  now: number,
): void {
  if (channels.grant.hasSubscribers) tellGrant(context, acquisition, hold, via, now);
  acquisition.resolve(acquisition.toLock(hold));
  for (let waiter = keyState.first; waiter !== undefined; ) {
    const { after } = waiter;
    if (isWithin(waiter.owner, hold.owner)) {
      leave(context, keyState, waiter, now);
      if (!waiter.options.reentrant) waiter.reject(selfDeadlock(hold.key));
      else {
        reenter(context, waiter, hold, now);
        waiter.resolve(waiter.toLock(hold));
      }
    }
    waiter = after;
  }
}

/** Counts one more lock on the owner's own hold: no round trip, same token, same signal. */
export function reenter(context: Context, acquisition: Acquisition, hold: Hold, now: number): void {
  hold.count += 1;
  if (channels.grant.hasSubscribers) tellGrant(context, acquisition, hold, 'reentry', now);
}

function tellGrant(context: Context, acquisition: Acquisition, hold: Hold, via: string, now: number): void {
  channels.grant.publish({
    adapter: context.adapter.name,
    key: hold.key,
    acquisition: acquisition.number,
    owner: hold.request.owner,
    via,
    waitedMs: now - acquisition.startedAt,
    ttlMs: hold.ttlMs,
    fencingToken: hold.fencingToken,
  });
}
