import type { HoldRef, RenewOutcome } from '@holdfast/lock-core';
import { type Backend, queueKey } from './backend.ts';
import { wholeTtl } from './leases.ts';
import type { LockKey } from './lock-keys.ts';
import { find, moveToLease } from './requests.ts';
import type { SharedLease } from './shared-lease.ts';

// A look at a lease's keys serves the renewals of this much time after it.
const longestReuseMs = 1_000;
// Of the TTL: what a renewal may be short of without a keep-alive of its own. Else the slack of a lease would just not last from
// one renewal of a TTL of 3 s to the next.
const shortfall = 0.05;

/**
 * Renews holds of one TTL: for those under its shared lease one keep-alive and one look at the lease's keys, however many
 * they are; the others are brought under it.
 */
export function renewMany(backend: Backend, holds: readonly HoldRef[], askedTtlMs: number): Promise<RenewOutcome[]> {
  const { keys, places } = backend;
  const ttlMs = wholeTtl(askedTtlMs);
  const shared = new Map<SharedLease, LockKey[]>();
  const known = holds.map(({ key, owner }) => places.get(keys.place(key, owner)));
  for (const place of known) {
    if (place?.lease?.ttlMs !== ttlMs) continue;
    const together = shared.get(place.lease);
    if (together === undefined) shared.set(place.lease, [place]);
    else together.push(place);
  }
  const looks = new Map([...shared].map(([lease, together]) => [lease, extend(backend, lease, together, ttlMs)]));
  return Promise.all(
    holds.map(async (hold, i): Promise<RenewOutcome> => {
      const place = known[i];
      if (place?.over) return { status: 'lost' };
      const look = place?.lease === undefined ? undefined : looks.get(place.lease);
      if (place === undefined || look === undefined) return moveUnderLease(backend, hold, ttlMs);
      return (await look)(place);
    }),
  );
}

/** Prolongs a lease if need be, and gives the function that tells what has become of a hold under it. */
async function extend(
  { places }: Backend,
  lease: SharedLease,
  together: readonly LockKey[],
  ttlMs: number,
): Promise<(place: LockKey) => RenewOutcome> {
  const calledAt = performance.now();
  // A hold whose time to be renewed has come may share the look that was made for others a moment ago, so that holds taken
  // at different times cost no more than one batch; one that asks again sooner wants to know what is true now.
  const reuseMs = Math.min(ttlMs / 4, longestReuseMs);
  const seenLately = lease.listedAt >= calledAt - reuseMs;
  const look = !seenLately || together.some((place) => place.seenAt > calledAt - ttlMs / 4);
  await Promise.all([
    lease.goodUntil < calledAt + ttlMs * (1 - shortfall) ? lease.keepAlive() : undefined,
    look ? lease.list() : undefined,
  ]);
  return (place) => {
    // It may have run out meanwhile, its lease may have ended, or somebody else may have deleted its key.
    if (place.over || place.lease !== lease) return { status: 'lost' };
    if (lease.ended || !lease.keys.has(place.key)) {
      places.forget(place);
      return { status: 'lost' };
    }
    const until = Math.min(lease.goodUntil, calledAt + ttlMs);
    places.hold(place, lease, place.token!, lease.listedAt, until);
    return { status: 'renewed', validForMs: until - calledAt };
  };
}

/** Brings a hold under the lease of another TTL; or one that another adapter has made. */
async function moveUnderLease(backend: Backend, hold: HoldRef, ttlMs: number): Promise<RenewOutcome> {
  const { endpoints, keys, leases, places } = backend;
  const calledAt = performance.now();
  const place = places.begin(keys.place(hold.key, hold.owner));
  const request = queueKey(backend, hold.key, place);
  try {
    const known = place.token;
    const token =
      known ?? (await endpoints.call((client, options) => find(client, options, request.key)))?.create_revision;
    if (token === undefined) return { status: 'lost' };
    return await leases.under(ttlMs, async (lease): Promise<RenewOutcome> => {
      // Until the answer is there, nobody knows under which lease the key is.
      place.lease = undefined;
      const done = await endpoints.call((client, options) =>
        moveToLease(client, options, { ...request, leaseId: lease.id, ttlMs }, token),
      );
      if (!done && known !== undefined) places.forget(place);
      if (!done || place.over) return { status: 'lost' };
      const until = Math.min(lease.goodUntil, calledAt + ttlMs);
      places.hold(place, lease, token, performance.now(), until);
      return { status: 'renewed', validForMs: until - calledAt };
    });
  } catch (error) {
    place.expiresAt = Math.max(place.expiresAt, calledAt + ttlMs);
    throw error;
  } finally {
    places.end(place);
  }
}
