import type { AcquireAttempt, Claim } from '@holdfast/lock-core';
import { type Acquisition, type Backend, queueKey } from './backend.ts';
import { claimOf, conflict, decodeValue } from './claim.ts';
import { placeLost } from './errors.ts';
import { deleteSeen } from './key-versions.ts';
import { wholeTtl } from './leases.ts';
import type { LockKey } from './lock-keys.ts';
import { move } from './renewal.ts';
import { find, findOldest, lookUp, type QueueKey, type Standing, takePlace } from './requests.ts';
import type { SharedLease } from './shared-lease.ts';

/** A place that exists in the queue. */
export interface Place {
  readonly lease: SharedLease;
  readonly standing: Standing;
}

/** Takes a place at the end of the queue. */
export function enter(
  backend: Backend,
  attempt: AcquireAttempt,
  signal: AbortSignal,
  { lockKey, ttlMs, claim, send }: Acquisition,
): Promise<Place> {
  const place = queueKey(backend, attempt.key, lockKey);
  return backend.leases.under(ttlMs, async (lease) => {
    const standing = await backend.limit(async () => {
      // Only until the request is sent: after that, the place must be withdrawn.
      signal.throwIfAborted();
      return send(lease, () => backend.batch.send(takePlace({ ...place, leaseId: lease.id, ttlMs, claim })));
    });
    if (standing === undefined) return resume(backend, attempt, lockKey, ttlMs);
    await assertSameUse(backend, attempt.key, place, claim, standing);
    return { lease, standing };
  });
}

/**
 * Gives the place up, and throws, if the key is in use in another way. The oldest key decides, which an exclusive claim sees only if it is
 * directly ahead. A key directly ahead may itself be about to be refused, so this is checked after each look.
 */
export async function assertSameUse(
  { endpoints }: Backend,
  name: string,
  { key, range }: QueueKey,
  claim: Claim,
  { ahead, token }: Standing,
): Promise<void> {
  const last = ahead.at(-1);
  if (last === undefined || !conflict(name, claim, claimOf(last))) return;
  const { keys } = await endpoints.call((client, options) => findOldest(client, options, range, 1));
  const refusal = keys[0] && conflict(name, claim, claimOf(keys[0]));
  if (refusal === undefined) return;
  await endpoints.call((client, options) => deleteSeen(client, options, { key, token }));
  throw refusal;
}

/** An owner that asks again keeps its place and the longer TTL (H113). */
async function resume(backend: Backend, attempt: AcquireAttempt, lockKey: LockKey, ttlMs: number): Promise<Place> {
  const { endpoints, leases } = backend;
  const place = queueKey(backend, attempt.key, lockKey);
  const own = await endpoints.call((client, options) => find(client, options, place.key));
  if (own === undefined) throw placeLost(attempt.key, 'its key was deleted');
  const longest = Math.max(ttlMs, wholeTtl(decodeValue(own.value).ttlMs));
  const claim = claimOf(own);
  return leases.under(longest, async (lease) => {
    if (own.lease !== lease.id) await move(backend, attempt.key, lockKey, lease, own);
    lockKey.sentLease = lease;
    const standing = await endpoints.call((client, options) =>
      lookUp(client, options, place, own.create_revision, claim),
    );
    if (standing === undefined) throw placeLost(attempt.key, 'its key was deleted');
    return { lease, standing };
  });
}
