import { failedPrecondition, leaseNotFound, outOfRange, Refusal } from './messages.ts';
import type { Change, Store } from './store.ts';

/** One lease. Its end is told by the clock of the member that leads. */
export interface Lease {
  readonly id: string;
  readonly ttlSeconds: number;
  expiresAt: number;
  readonly keys: Set<string>;
}

/** The leases of a cluster. */
export interface Leases {
  readonly all: ReadonlyMap<string, Lease>;
  grant(id: string, ttlSeconds: number): Lease;
  /** Deletes the keys of a lease and the lease. */
  revoke(id: string): void;
  /** The lease if it exists, whether or not it should have ended by now. */
  get(id: string): Lease | undefined;
  /** Gives a lease its whole time again. */
  renew(lease: Lease): void;
  remainingSeconds(lease: Lease): number;
  isExpired(lease: Lease): boolean;
  /** Refuses a lease that does not exist. */
  assertExists(id: string): void;
  /** Nobody leads: no lease ends, and etcd tells of each that it lasts for centuries. */
  demote(): void;
  /** Another member leads: it does not know how much of each lease is gone, so each is whole again. */
  promote(extraMs: number): void;
  /** Takes in which lease a key is attached to. */
  attach(change: Change): void;
}

const longestSeconds = 9_000_000_000;
// The longest duration of Go.
const foreverSeconds = 9_223_372_036;

export function createLeases(store: Store, now: () => number, leastSeconds: number): Leases {
  const all = new Map<string, Lease>();

  function renew(lease: Lease, extraMs = 0): void {
    lease.expiresAt = now() + lease.ttlSeconds * 1_000 + extraMs;
  }

  return {
    all,
    grant(id, seconds) {
      if (seconds > longestSeconds) throw new Refusal(outOfRange, 'etcdserver: too large lease TTL');
      if (all.has(id)) throw new Refusal(failedPrecondition, 'etcdserver: lease already exists');
      const lease = { id, ttlSeconds: Math.max(seconds, leastSeconds), expiresAt: 0, keys: new Set<string>() };
      renew(lease);
      all.set(id, lease);
      return lease;
    },
    revoke(id) {
      const lease = all.get(id);
      if (lease === undefined) throw leaseNotFound();
      const write = store.write();
      for (const key of [...lease.keys].sort()) write.delete(Buffer.from(key, 'latin1'), Buffer.alloc(0));
      all.delete(id);
      write.commit();
    },
    get: (id) => all.get(id),
    renew,
    remainingSeconds: ({ expiresAt }) => Math.min(foreverSeconds, Math.trunc((expiresAt - now()) / 1_000)),
    isExpired: ({ expiresAt }) => expiresAt <= now(),
    assertExists(id) {
      if (id !== '0' && !all.has(id)) throw leaseNotFound();
    },
    demote() {
      for (const lease of all.values()) lease.expiresAt = Number.POSITIVE_INFINITY;
    },
    promote(extraMs) {
      for (const lease of all.values()) renew(lease, extraMs);
    },
    attach({ key, before, after }) {
      if (before !== undefined) all.get(before.lease)?.keys.delete(key);
      if (after !== undefined) all.get(after.lease)?.keys.add(key);
    },
  };
}
