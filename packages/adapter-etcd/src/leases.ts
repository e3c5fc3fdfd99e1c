import { EtcdLeaseInvalidError } from 'etcd3';
import type { Endpoints } from './endpoints.ts';
import { createSharedLease, type SharedLease } from './shared-lease.ts';

/** How much longer a lease is than its holds' TTL. For this long after a keep-alive, locks are granted and renewed without another. */
export const slackMs = 1_000;

// etcd's own bound is 9e9 s; nobody asks for more than 30 years.
const longestTtlMs = 1_000_000_000_000;

/** The TTL that a hold gets: whole seconds, rounded up (H82). */
export const wholeTtl = (ttlMs: number): number => Math.min(Math.ceil(ttlMs / 1_000) * 1_000, longestTtlMs);

/** The leases of one adapter: one for each TTL, shared by all locks of that TTL. */
export interface Leases {
  /** The lease for a TTL, good for the whole of it from now. */
  ready(ttlMs: number): Promise<SharedLease>;
  /** Runs a request that puts a key under the lease for a TTL; on a new one if etcd has ended that meanwhile. */
  under<T>(ttlMs: number, request: (lease: SharedLease) => Promise<T>): Promise<T>;
  /** Gives back the leases that have no keys; the others end by themselves. */
  revokeUnused(inUse: (lease: SharedLease) => boolean): Promise<void>;
}

export function createLeases(endpoints: Endpoints, onList: (keys: ReadonlySet<string>) => void): Leases {
  const current = new Map<number, SharedLease>();
  const granting = new Map<number, Promise<SharedLease>>();

  async function grant(ttlMs: number): Promise<SharedLease> {
    const sentAt = performance.now();
    const asked = { TTL: (ttlMs + slackMs) / 1_000 };
    const { ID: id, TTL: seconds } = await endpoints.call((client, options) =>
      client.leaseClient.leaseGrant(asked, options),
    );
    // A lease that is not used any more is not kept alive and ends by itself; it need only be forgotten.
    for (const [ttl, old] of current) if (old.goodUntil <= sentAt) current.delete(ttl);
    const goodUntil = sentAt + Number(seconds) * 1_000;
    const lease = createSharedLease(endpoints, { id, ttlMs, goodUntil }, onList);
    current.set(ttlMs, lease);
    return lease;
  }

  function grantOnce(ttlMs: number): Promise<SharedLease> {
    let underway = granting.get(ttlMs);
    if (underway === undefined) {
      underway = grant(ttlMs).finally(() => granting.delete(ttlMs));
      granting.set(ttlMs, underway);
    }
    return underway;
  }

  /** The lease, where nothing need be asked for it. */
  function fresh(ttlMs: number): SharedLease | undefined {
    const lease = current.get(ttlMs);
    if (lease === undefined || lease.ended) return undefined;
    return lease.goodUntil - performance.now() >= ttlMs + slackMs / 2 ? lease : undefined;
  }

  async function ready(ttlMs: number): Promise<SharedLease> {
    const good = fresh(ttlMs);
    if (good !== undefined) return good;
    const lease = current.get(ttlMs);
    const leftMs = lease === undefined ? 0 : lease.goodUntil - performance.now();
    if (lease === undefined || lease.ended || leftMs <= 0) return grantOnce(ttlMs);
    const refreshed = lease.refresh();
    if (leftMs >= ttlMs) {
      // Still long enough; whoever comes after this one need not wait either.
      refreshed.catch(() => {});
      return lease;
    }
    await refreshed;
    return lease.ended ? grantOnce(ttlMs) : lease;
  }

  async function under<T>(ttlMs: number, request: (lease: SharedLease) => Promise<T>): Promise<T> {
    const lease = fresh(ttlMs) ?? (await ready(ttlMs));
    try {
      return await request(lease);
    } catch (error) {
      if (!(error instanceof EtcdLeaseInvalidError)) throw error;
      // A definite answer: nothing was put, and whatever was held under this lease is lost.
      lease.end();
      return request(await ready(ttlMs));
    }
  }

  return {
    ready,
    under,
    async revokeUnused(inUse) {
      const unused = [...current.values()].filter((lease) => !lease.ended && !inUse(lease));
      await Promise.allSettled(
        unused.map(({ id }) =>
          endpoints.call((client, options) => client.leaseClient.leaseRevoke({ ID: id }, options)),
        ),
      );
    },
  };
}
