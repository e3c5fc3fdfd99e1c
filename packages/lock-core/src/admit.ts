import type { Waiter } from './acquisition.ts';
import type { Lock } from './api.ts';
import type { Core } from './context.ts';
import { channels } from './diagnostics.ts';
import { selfDeadlock } from './failures.ts';
import { HeldLock } from './held-lock.ts';
import type { Hold } from './hold.ts';
import type { KeyState } from './key-state.ts';
import { isWithin } from './owner.ts';

type Way = 'backend' | 'hand-over' | 'reentry';

/** Gives the waiter a lock on a hold that stands. */
export function admit(core: Core, hold: Hold, waiter: Waiter, via: Way, now: number): Lock {
  if (channels.grant.hasSubscribers) {
    const { key, fencingToken, lease } = hold;
    channels.grant.publish({
      adapter: core.adapter.name,
      key,
      acquisition: waiter.acquisition,
      owner: lease.owner,
      via,
      waitedMs: now - waiter.startedAt,
      ttlMs: lease.ttlMs,
      fencingToken,
    });
  }
  return new HeldLock(core, hold);
}

/** Lets those queue up no longer who wait for what their own owner has just got. */
export function admitKin(core: Core, keyState: KeyState, hold: Hold, now: number): void {
  for (let waiter = keyState.first; waiter !== undefined; ) {
    const following = waiter.after;
    if (isWithin(waiter.owner, hold.owner)) {
      core.leave(keyState, waiter, now);
      if (waiter.terms.reentrant) waiter.resolve(reenter(core, hold, waiter, now));
      else waiter.reject(selfDeadlock(keyState.key));
    }
    waiter = following;
  }
}

/** One more lock on the owner's own hold: no round trip, same token, same signal. */
export function reenter(core: Core, hold: Hold, waiter: Waiter, now: number): Lock {
  hold.count += 1;
  return admit(core, hold, waiter, 'reentry', now);
}
