import { leaseDeadline } from './adapter-replies.ts';
import { admit, advance, type Context, detach } from './context.ts';
import { closed, lost } from './errors.ts';
import type { Acquisition, KeyState } from './key-state.ts';
import { type Lease, sleptMs } from './lease.ts';
import type { Granted } from './lock-adapter.ts';
import { loseLease } from './release.ts';
import type { Watchdog } from './watchdog.ts';

/** Why a grant is of no use that came after its own lease. */
export const grantedTooLate = (ttlMs: number): Error =>
  new Error(`it was granted too late: ttlMs ${ttlMs} is too short for this backend`);

/**
 * Makes the caller the holder by the backend's grant. False when the grant came so late that another owner may have the lock
 * already (H28): then nothing is held here, and what was granted has to be cleaned up.
 */
export function takePossession(
  context: Context,
  watchdog: Watchdog,
  keyState: KeyState,
  acquisition: Acquisition,
  lease: Lease,
  grant: Granted,
  sentAt: number,
  now: number,
): boolean {
  const { capabilities, name } = context.adapter;
  // The machine may have slept since it asked.
  const slept = sleptMs(context.settings.clock.wallNow() - now - lease.wallAhead);
  lease.wallAhead += slept;
  const deadline = leaseDeadline(sentAt, grant.validForMs - lease.graceMs, lease.ttlMs, now, capabilities) - slept;
  if (deadline <= now) return false;
  detach(context, keyState, acquisition);
  // The backend gave the lock to this owner, so whoever had it here no longer has it.
  while (keyState.firstLease !== undefined) {
    const former = keyState.findLease((standing) => excludes(lease, standing));
    if (former === undefined) break;
    loseLease(context, former, lost(keyState.key, name, 'the backend gave it to another owner'), 'is free of it');
    if (context.closed) {
      // By a listener of that loss.
      context.cleanup.add(lease);
      acquisition.reject(closed(keyState.key));
      return true;
    }
  }
  keyState.addLease(lease);
  const hold = lease.begin(acquisition, grant, now, deadline, watchdog);
  // The listeners of the loss above may have let the key be forgotten.
  if (context.keys.get(keyState.key) !== keyState) context.keys.set(keyState.key, keyState);
  watchdog.watch(lease);
  admit(context, keyState, acquisition, lease, hold, 'backend', now);
  advance(context, keyState, now);
  return true;
}

const excludes = ({ claim }: Lease, former: Lease): boolean =>
  claim.mode === 'exclusive' || former.claim.mode === 'exclusive';
