import type { Waiter } from './acquisition.ts';
import { admit, admitKin } from './admit.ts';
import type { Core } from './context.ts';
import { Hold } from './hold.ts';
import type { KeyState } from './key-state.ts';
import type { Lease } from './lease.ts';
import { standBack } from './stand-back.ts';

// With other processes waiting: enough hand-overs to be worth the way between processes, few enough that none waits long.
const lapsPerRun = 2;

/**
 * Passes a lease on to the next waiter of this process, without a round trip: a cohort lock (Dice, Marathe, Shavit 2012).
 * The backend keeps seeing one hold; the new holder gets the next token of the reserved block. False when the lock has
 * to be released for real: nobody fits, or the run is over and other processes get their turn.
 */
export function handOver(core: Core, keyState: KeyState, lease: Lease, now: number): boolean {
  const next = keyState.first;
  // A queue in the backend keeps its own order: nothing is handed over past it.
  if (next === undefined || core.adapter.enqueue !== undefined) return false;
  const hasToken = lease.fencingToken === undefined || lease.tokensLeft > 0;
  if (!hasToken && lease.handOvers === 0) return false;
  const { count, ms } = core.settings.localRun;
  if (!hasToken || lease.handOvers >= count || now - lease.since >= ms || lapsAreOver(lease, next, now)) {
    // Where the backend can tell that nobody else waits, nobody has to be let through.
    const others = lease.waiting ?? 1;
    if (others > 0) standBack(keyState, others, now);
    return false;
  }
  const { terms } = next;
  const fits = lease.autoRenew && terms.autoRenew && terms.ttlMs === lease.ttlMs && now - lease.since < terms.maxHoldMs;
  // Half the time must be left, so that the new holder does not begin with a lease about to end.
  if (!fits || lease.deadline - now <= lease.ttlMs / 2) return false;

  core.leave(keyState, next, now);
  let token = lease.hold.fencingToken;
  if (token !== undefined) {
    token += 1n;
    lease.tokensLeft -= 1;
  }
  lease.handOvers += 1;
  const hold = new Hold(next, token, now);
  hold.lease = lease;
  lease.hold = hold;
  keyState.hold = hold;
  core.watchdog.handedOver(lease);
  next.resolve(admit(core, hold, next, 'hand-over', now));
  if (keyState.first !== undefined) admitKin(core, keyState, hold, now);
  return true;
}

/** Whether all here have had their turns, while others wait. Who asked after the lap began belongs to the next one. */
function lapsAreOver(lease: Lease, next: Waiter, now: number): boolean {
  if (!lease.waiting) return false;
  if (next.startedAt >= lease.lapSince) {
    lease.laps += 1;
    lease.lapSince = now;
  }
  return lease.laps >= lapsPerRun;
}
