import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { secondsIn } from './answers.ts';
import type { Endpoints } from './endpoints.ts';
import { isLeaseGone, isRefusal, wasNeverSent } from './errors.ts';
import { momentNow, SharedLease } from './shared-lease.ts';
import { createUnansweredLeases } from './unanswered-leases.ts';

/** How much longer a lease is than the TTL of its holds. For this long after a keep-alive, locks are granted and renewed without another. */
export const slackMs = 1_000;

// etcd's own limit is 9e9 s; nobody needs more than 30 years.
const longestTtlMs = 1_000_000_000_000;

/** The TTL that a hold gets: whole seconds, rounded up (H82). */
export const wholeTtl = (ttlMs: number): number => Math.min(Math.ceil(ttlMs / 1_000) * 1_000, longestTtlMs);

/** The leases of one adapter: one for each TTL, shared by all locks of that TTL. */
export interface Leases {
  /** Runs a request that attaches a key to the lease of a TTL, with a new lease if etcd has ended the old one in the meantime. */
  under<T>(ttlMs: number, request: (lease: SharedLease) => Promise<T>): Promise<T>;
  /** Revokes the leases that have no keys; the others end by themselves. */
  revokeUnused(inUse: (lease: SharedLease) => boolean): Promise<void>;
}

export function createLeases(endpoints: Endpoints, onList: (keys: ReadonlySet<string>) => void): Leases {
  const current = new Map<number, SharedLease>();
  const granting = new Map<number, Promise<SharedLease>>();
  const unanswered = createUnansweredLeases(endpoints);

  async function grant(ttlMs: number): Promise<SharedLease> {
    // The ID is ours, so that the lease can be revoked if the answer is lost.
    const id = newLeaseId();
    const sentAt = momentNow();
    const request = { TTL: (ttlMs + slackMs) / 1_000, ID: id };
    try {
      const { TTL } = await endpoints.call((client, options) => client.leaseClient.leaseGrant(request, options));
      const seconds = secondsIn(TTL, 'the TTL of a lease');
      // A lease that is no longer used is not kept alive and ends by itself.
      for (const [ttl, old] of current) if (old.goodUntil <= sentAt.at) current.delete(ttl);
      const lease = new SharedLease(endpoints, { id, ttlMs, sentAt, seconds }, onList);
      current.set(ttlMs, lease);
      return lease;
    } catch (error) {
      if (!isRefusal(error) && !wasNeverSent(error)) unanswered.add(id);
      throw error;
    }
  }

  function grantOnce(ttlMs: number): Promise<SharedLease> {
    let underway = granting.get(ttlMs);
    if (underway === undefined) {
      underway = grant(ttlMs).finally(() => granting.delete(ttlMs));
      granting.set(ttlMs, underway);
    }
    return underway;
  }

  /** The lease, if it is good without a request. */
  function fresh(ttlMs: number): SharedLease | undefined {
    const lease = current.get(ttlMs);
    if (lease === undefined || lease.ended || lease.retired) return undefined;
    return lease.goodUntil - performance.now() >= ttlMs + slackMs / 2 ? lease : undefined;
  }

  /** The lease of a TTL, good for the whole TTL from now. */
  async function ready(ttlMs: number): Promise<SharedLease> {
    const lease = current.get(ttlMs);
    const leftMs = lease === undefined ? 0 : lease.goodUntil - performance.now();
    if (lease === undefined || lease.ended || lease.retired || leftMs <= 0) return grantOnce(ttlMs);
    const refreshed = lease.refresh();
    if (leftMs >= ttlMs) {
      // Still long enough, so later requests need not wait either.
      refreshed.catch(() => {});
      return lease;
    }
    await refreshed;
    return lease.ended ? grantOnce(ttlMs) : lease;
  }

  return {
    async under(ttlMs, request) {
      const lease = fresh(ttlMs) ?? (await ready(ttlMs));
      try {
        return await request(lease);
      } catch (error) {
        if (!isLeaseGone(error)) throw error;
        // A definite answer: nothing was written, and whatever was held under this lease is lost.
        lease.end();
        return request(await ready(ttlMs));
      }
    },
    async revokeUnused(inUse) {
      const unused = [...current.values()].filter((lease) => !lease.ended && !inUse(lease)).map(({ id }) => id);
      await Promise.allSettled(
        [...unused, ...unanswered.close()].map((ID) =>
          endpoints.call((client, options) => client.leaseClient.leaseRevoke({ ID }, options)),
        ),
      );
    },
  };
}

/** A random positive 64-bit integer, like the IDs that etcd itself chooses. */
function newLeaseId(): string {
  const id = randomBytes(8).readBigUInt64BE() & 0x7fff_ffff_ffff_ffffn;
  return id === 0n ? newLeaseId() : String(id);
}
