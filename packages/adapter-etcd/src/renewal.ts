import { performance } from 'node:perf_hooks';
import type { Claim, HoldRef, RenewOutcome } from '@holdfast/lock-core';
import type { IKeyValue } from 'etcd3';
import { type Backend, queueKey, wakeBlocked } from './backend.ts';
import { claimOf, downgraded, exclusive } from './claim.ts';
import { isRefusal } from './errors.ts';
import { checkPresence, type KeyVersion, mostChecked } from './key-versions.ts';
import { wholeTtl } from './leases.ts';
import type { LockKey } from './lock-keys.ts';
import { blockersIn } from './position.ts';
import { find, lookUp, moveToLease, type QueueKey } from './requests.ts';
import type { SharedLease } from './shared-lease.ts';

// The part of the TTL that a renewal may be short of before it needs a keep-alive of its own. Without it, the slack of a lease would
// not quite last from one renewal to the next with a TTL of 3 s.
const shortfall = 0.05;
// A move fails if an earlier move whose answer was lost has arrived in the meantime.
const mostMoves = 3;

/** A hold whose key is attached to the lease of the TTL that was asked for. */
interface Known extends KeyVersion {
  /** Its index among the holds to be renewed. */
  readonly index: number;
  readonly lockKey: LockKey;
  readonly lease: SharedLease;
}

/**
 * Renews holds of one TTL. Those under the shared lease of this TTL cost at most one keep-alive, and one transaction per 128 holds in
 * which the leader confirms the keys that still exist; the others are moved to this lease.
 */
export async function renewMany(
  backend: Backend,
  holds: readonly HoldRef[],
  askedTtlMs: number,
): Promise<RenewOutcome[]> {
  const calledAt = performance.now();
  const ttlMs = wholeTtl(askedTtlMs);
  const together: Known[] = [];
  const outcomes = holds.map((hold, index): RenewOutcome | Promise<RenewOutcome> | undefined => {
    const lockKey = backend.lockKeys.get(backend.layout.key(hold.key, hold.owner));
    if (lockKey?.over) return { status: 'lost' };
    const { lease, token } = lockKey ?? {};
    if (lockKey === undefined || lease?.ttlMs !== ttlMs || lease.retired || token === undefined) {
      return moveUnderLease(backend, hold, ttlMs);
    }
    together.push({ index, lockKey, lease, token, key: queueKey(backend, hold.key, lockKey).key });
    return undefined;
  });
  const extended = extendTogether(backend, together, calledAt, ttlMs);
  for (const [i, { index }] of together.entries()) outcomes[index] = extended.then((results) => results[i]!);
  return Promise.all(outcomes) as Promise<RenewOutcome[]>;
}

async function extendTogether(
  backend: Backend,
  holds: readonly Known[],
  calledAt: number,
  ttlMs: number,
): Promise<RenewOutcome[]> {
  const { endpoints, lockKeys } = backend;
  const leases = new Set(holds.map(({ lease }) => lease));
  const chunks = Array.from({ length: Math.ceil(holds.length / mostChecked) }, (_, i) =>
    holds.slice(i * mostChecked, (i + 1) * mostChecked),
  );
  const [present] = await Promise.all([
    Promise.all(chunks.map((chunk) => endpoints.call((client, options) => checkPresence(client, options, chunk)))),
    ...[...leases].map((lease) => keepGood(lease, calledAt, ttlMs)),
  ]);
  const isPresent = present.flat();
  return holds.map(({ lockKey, lease, token }, i): RenewOutcome => {
    // It has expired or was released in the meantime.
    if (lockKey.over) return { status: 'lost' };
    if (!isPresent[i] || (lease.ended && lockKey.lease === lease)) {
      lockKeys.forget(lockKey);
      return { status: 'lost' };
    }
    // A renewal with another TTL has moved it, and its promise stands.
    if (lockKey.lease !== lease) return moved(lockKey, calledAt, ttlMs);
    const until = Math.min(lease.goodUntil, calledAt + ttlMs);
    // A later renewal may have been answered first.
    lockKeys.hold(lockKey, lease, token, lockKey.revision, Math.max(until, lockKey.expiresAt));
    return { status: 'renewed', validForMs: until - calledAt };
  });
}

/** The certain lease of a hold that was moved to another lease during this renewal; it is not moved back. */
function moved({ lease, expiresAt }: LockKey, calledAt: number, ttlMs: number): RenewOutcome {
  const until = lease === undefined ? calledAt : Math.min(lease.goodUntil, expiresAt, calledAt + ttlMs);
  if (until <= calledAt) throw superseded();
  return { status: 'renewed', validForMs: until - calledAt };
}

async function keepGood(lease: SharedLease, calledAt: number, ttlMs: number): Promise<void> {
  lease.findOrphans();
  if (lease.goodUntil < calledAt + ttlMs * (1 - shortfall)) await lease.keepAlive();
}

/**
 * Turns an exclusive hold into a shared one. The key keeps its place, so nobody can get in between. From now on, every write of the key
 * states `shared`, because the answer to this request may be lost.
 */
export async function downgrade(backend: Backend, hold: HoldRef, askedTtlMs: number): Promise<RenewOutcome> {
  const key = backend.layout.key(hold.key, hold.owner);
  const outcome = await moveUnderLease(backend, hold, wholeTtl(askedTtlMs), downgraded);
  wakeBlocked(backend, key);
  return outcome;
}

/** Moves a hold to the lease of another TTL, even a hold of another adapter. */
async function moveUnderLease(backend: Backend, hold: HoldRef, ttlMs: number, claim?: Claim): Promise<RenewOutcome> {
  const { layout, leases, lockKeys } = backend;
  const calledAt = performance.now();
  const lockKey = lockKeys.begin(layout.key(hold.key, hold.owner));
  lockKey.claim = claim ?? lockKey.claim;
  try {
    return await leases.under(ttlMs, async (lease): Promise<RenewOutcome> => {
      const now = await move(backend, hold.key, lockKey, lease);
      if (now === undefined && lockKey.token !== undefined) lockKeys.forget(lockKey);
      if (now === undefined || lockKey.over) return { status: 'lost' };
      const until = Math.min(lease.goodUntil, calledAt + ttlMs);
      lockKeys.hold(lockKey, lease, now.token, now.revision, until);
      return { status: 'renewed', validForMs: until - calledAt };
    });
  } catch (error) {
    lockKey.expiresAt = Math.max(lockKey.expiresAt, calledAt + ttlMs);
    throw error;
  } finally {
    lockKeys.end(lockKey);
  }
}

const superseded = (): Error => new Error('a later call moves this lock to another lease');

/**
 * Attaches a key to another lease, with its known claim; `undefined` if the key is gone, or does not hold the lock.
 * An acquire moves only the key that it has seen, `from`, which may be a place: a later renewal is never undone (H113).
 */
export async function move(
  backend: Backend,
  name: string,
  lockKey: LockKey,
  lease: SharedLease,
  from?: IKeyValue,
): Promise<{ token: string; revision: string } | undefined> {
  const { endpoints } = backend;
  const place = queueKey(backend, name, lockKey);
  const heldAs = lockKey.token;
  lockKey.moves += 1;
  const turn = lockKey.moves;
  let known = from && { token: from.create_revision, revision: from.mod_revision };
  if (lockKey.token && lockKey.revision) known ??= { token: lockKey.token, revision: lockKey.revision };
  for (let moves = 0; moves < mostMoves; moves += 1) {
    if (known === undefined) {
      const found = await endpoints.call((client, options) => find(client, options, place.key));
      if (found === undefined || (heldAs !== undefined && found.create_revision !== heldAs)) return undefined;
      if (heldAs === undefined && !(await isHeld(backend, place, found))) return undefined;
      lockKey.claim ??= claimOf(found);
      known = { token: found.create_revision, revision: found.mod_revision };
    }
    lockKey.claim ??= from && claimOf(from);
    const { token, revision } = known;
    if (lockKey.moves !== turn) throw superseded();
    const before = { lease: lockKey.lease, revision: lockKey.revision, sentLease: lockKey.sentLease };
    // Until the answer is there, nobody knows to which lease the key is attached.
    lockKey.lease = undefined;
    lockKey.revision = undefined;
    lockKey.sentLease = lease;
    const request = { ...place, leaseId: lease.id, ttlMs: lease.ttlMs, claim: lockKey.claim ?? exclusive };
    const movedIn = await endpoints
      .call((client, options) => moveToLease(client, options, request, { token, revision }))
      .catch((error: unknown) => {
        // Nothing was done, so it can still be renewed where it is, which may take less than a move.
        if (isRefusal(error) && lockKey.moves === turn) Object.assign(lockKey, before);
        throw error;
      });
    if (movedIn !== undefined) return { token, revision: movedIn };
    const now = await endpoints.call((client, options) => find(client, options, place.key));
    if (now?.create_revision !== token || now.mod_revision === revision) return undefined;
    if (from !== undefined) throw superseded();
    known = { token, revision: now.mod_revision };
  }
  throw new Error('the lease of this lock was changed by something else again and again');
}

/** Whether the key of an owner that is unknown to this adapter holds the lock. If so, it does for as long as it exists. */
async function isHeld({ endpoints }: Backend, place: QueueKey, found: IKeyValue): Promise<boolean> {
  const claim = claimOf(found);
  const now = await endpoints.call((client, options) => lookUp(client, options, place, found.create_revision, claim));
  return now !== undefined && blockersIn(now.ahead, claim).length === 0;
}
