import type { Context } from './context.ts';
import { channels } from './diagnostics.ts';
import type { Hold } from './hold.ts';
import type { Acquisition, KeyState } from './key-state.ts';
import { type Lease, permitsOf } from './lease.ts';
import { holderOf } from './owner.ts';

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

// Whoever forgets to close `Locks` keeps no more than this reference.
const openContexts = new Set<WeakRef<Context>>();

// Holds about which a backend is being asked: one that does not answer is not asked again.
const lookedUp = new WeakSet<Hold>();

/** From now on a waiter of these `Locks` may be found to wait for other `Locks` of this process. Returns what ends that. */
export function findOwnWaiters(context: Context): () => void {
  const reference = new WeakRef(context);
  openContexts.add(reference);
  return () => void openContexts.delete(reference);
}

/** The lock was released, so its end means nothing. */
export const forgetLock = (lock: object): void => void given.unregister(lock);

/**
 * Looks at what may be wrong with a lease that is renewed for another time. Only here: most locks are released before, and to register
 * each of them with the garbage collector would take longer than all the rest of an acquire.
 */
export function checkHolds(context: Context, lease: Lease, now: number): void {
  const { hold } = lease;
  // Nearly always there is one, and this runs for each renewal.
  if (hold !== undefined) checkHold(context, lease, hold, now);
  else for (const reader of lease.holds()) checkHold(context, lease, reader, now);
}

function checkHold(context: Context, lease: Lease, hold: Hold, now: number): void {
  if (hold.isWatchable) for (const lock of hold.unwatched()) given.register(lock, { context, lease, hold }, lock);
  const areOthers = openContexts.size > 1;
  // Looked at first: to find the waiters of each key that is renewed costs as much as a tenth of its renewal.
  const mayWait = context.waiting > 0 || areOthers;
  if (!mayWait || hold.hasWarned || now - hold.since < hold.options.ttlMs) return;
  warnOfOwnWaiter(context, lease, hold, now);
  if (areOthers) warnOfOtherLocks(context, lease, hold);
}

/** For a whole lease, a task here has waited for what is held here: perhaps the holder waits for that task. */
function warnOfOwnWaiter(context: Context, lease: Lease, hold: Hold, now: number): void {
  const keyState = context.keys.get(lease.key);
  const first = keyState?.first;
  if (keyState === undefined || first === undefined || now - first.startedAt < hold.options.ttlMs) return;
  if (isInTheWay(keyState, lease, first)) warnOfOwnHold(context, lease, hold, now - first.startedAt);
}

/**
 * The same for a waiter of other `Locks` in this process with the same name. Whether they wait for this very hold, only their
 * backend can tell: it shows the owner ID of the hold.
 */
function warnOfOtherLocks(context: Context, lease: Lease, hold: Hold): void {
  if (lookedUp.has(hold)) return;
  const lookUps: Promise<void>[] = [];
  for (const reference of openContexts) {
    const other = reference.deref();
    if (other === undefined) openContexts.delete(reference);
    const first = other === context ? undefined : other?.keys.get(lease.key)?.first;
    if (other === undefined || first === undefined || first.phase === 'done') continue;
    const waitedMs = other.settings.clock.now() - first.startedAt;
    const isExclusive = first.options.claim.mode === 'exclusive' || lease.claim.mode === 'exclusive';
    if (waitedMs < hold.options.ttlMs || !isExclusive || nameOf(other) !== nameOf(context)) continue;
    const told = holderAt(other, lease.key).then((owner) => {
      if (owner === lease.owner && hold.state === 'held' && !hold.hasWarned)
        warnOfOwnHold(context, lease, hold, waitedMs);
    });
    lookUps.push(told);
  }
  if (lookUps.length === 0) return;
  lookedUp.add(hold);
  void Promise.all(lookUps).then(() => lookedUp.delete(hold));
}

/** `Locks` that were given different names stand for different parties. */
const nameOf = ({ settings }: Context): string | undefined => holderOf(settings.defaults.newOwnerId())?.name;

/** Nothing where the backend does not answer: at the next renewal it is asked again. */
async function holderAt({ adapter }: Context, key: string): Promise<string | undefined> {
  try {
    return (await adapter.inspect?.(key))?.owner;
  } catch {
    return undefined;
  }
}

function warnOfOwnHold(context: Context, lease: Lease, hold: Hold, waitedMs: number): void {
  hold.hasWarned = true;
  const heldMs = context.settings.clock.now() - hold.since;
  const seconds = (ms: number): string => `${Math.round(ms / 1_000)} s`;
  warn(
    context,
    lease,
    hold,
    'own-hold',
    `a task has waited for lock ${JSON.stringify(hold.key)} on ${context.adapter.name} for ${seconds(waitedMs)}, and this process itself ` +
      `has held it for ${seconds(heldMs)}: if the holder waits for that task, neither ever ends. A nested call re-enters a lock ` +
      'only through the same Locks, inside the body of using() or with the owner of the lock',
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
