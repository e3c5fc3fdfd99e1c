import type { Context } from './context.ts';
import { channels } from './diagnostics.ts';
import type { Hold } from './hold.ts';
import type { Acquisition, KeyState } from './key-state.ts';
import { type Lease, permitsOf } from './lease.ts';

/** A lock that was given to a caller, as far as its garbage collection tells that nobody can release it any more. */
interface Given {
  readonly context: Context;
  readonly lease: Lease;
  readonly hold: Hold;
}

// Keeps neither a lock alive nor the process.
const given = new FinalizationRegistry<Given>(({ context, lease, hold }) => {
  if (hold.state !== 'held' || context.closed) return;
  const { key } = hold;
  warn(
    context,
    lease,
    hold,
    'unreleased',
    `lock ${JSON.stringify(key)} on ${context.adapter.name} was garbage-collected while it is held: nobody can release it any more, ` +
      'and it is renewed until these locks are closed. Keep the lock until its release, or use locks.using()',
  );
});

/** The lock was released, so its end means nothing. */
export const forgetLock = (lock: object): void => void given.unregister(lock);

/**
 * Looks at what may be wrong with a lease that is renewed for another time. Only here: most locks are released before, and to register
 * each of them with the garbage collector would take longer than all the rest of an acquire.
 */
export function checkHolds(context: Context, lease: Lease, now: number): void {
  const keyState = context.keys.get(lease.key);
  for (const hold of lease.holds()) {
    for (const lock of hold.unwatched()) given.register(lock, { context, lease, hold }, lock);
    if (keyState !== undefined) warnOfOwnWaiter(context, keyState, lease, hold, now);
  }
}

/** For a whole lease, a task here has waited for what is held here: perhaps the holder waits for that task. */
function warnOfOwnWaiter(context: Context, keyState: KeyState, lease: Lease, hold: Hold, now: number): void {
  const { first } = keyState;
  const { ttlMs } = hold.options;
  if (first === undefined || hold.hasWarned || now - hold.since < ttlMs || now - first.startedAt < ttlMs) return;
  if (!isInTheWay(keyState, lease, first)) return;
  hold.hasWarned = true;
  const seconds = (since: number): string => `${Math.round((now - since) / 1_000)} s`;
  warn(
    context,
    lease,
    hold,
    'own-hold',
    `a task has waited for lock ${JSON.stringify(hold.key)} on ${context.adapter.name} for ${seconds(first.startedAt)}, and this process itself ` +
      `has held it for ${seconds(hold.since)}: if the holder waits for that task, neither ever ends. A nested call re-enters a lock inside ` +
      'the body of using(), or with the owner of the lock',
  );
}

function isInTheWay(keyState: KeyState, lease: Lease, { options: { claim } }: Acquisition): boolean {
  if (claim.mode === 'permits') return keyState.heldPermits() + permitsOf(claim) > claim.limit;
  return claim.mode === 'exclusive' || lease.claim.mode === 'exclusive';
}

function warn(context: Context, lease: Lease, hold: Hold, warning: string, message: string): void {
  if (channels.warning.hasSubscribers) {
    const { key, acquisition, since } = hold;
    const heldMs = context.settings.clock.now() - since;
    const adapter = context.adapter.name;
    channels.warning.publish({ adapter, key, acquisition, owner: lease.owner, warning, message, heldMs });
  }
  process.emitWarning(message, {
    type: 'HoldfastWarning',
    code: `HOLDFAST_${warning.replace('-', '_').toUpperCase()}`,
  });
}
