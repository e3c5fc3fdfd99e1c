import { performance } from 'node:perf_hooks';
import type { Capabilities, HoldRef, LockAdapter, LockInfo, ReleaseOutcome, RenewOutcome } from '@holdfast/lock-core';
import type { IKeyValue } from 'etcd3';
import { tryAcquire } from './acquire.ts';
import { secondsIn } from './answers.ts';
import { assertLeased, type Backend } from './backend.ts';
import { createBatch } from './batch.ts';
import { claimOf, decodeValue, limitOf } from './claim.ts';
import { createConcurrencyLimit } from './concurrency-limit.ts';
import { createEndpoints, type Endpoints } from './endpoints.ts';
import { NoAnswer } from './errors.ts';
import { fencingToken } from './fencing.ts';
import { type KeyRange, keyLayout } from './key-layout.ts';
import { deletedTogether, deleteSeen, deleteVersions } from './key-versions.ts';
import { createKeyedQueue } from './keyed-queue.ts';
import { createLeases, slackMs } from './leases.ts';
import { keysPage } from './list.ts';
import { createLockKeys } from './lock-keys.ts';
import { type EtcdLockOptions, etcdLockSettings } from './options.ts';
import { holdersIn } from './position.ts';
import { enqueue } from './queue.ts';
import { release } from './release.ts';
import { downgrade, renewMany } from './renewal.ts';
import { findOldest } from './requests.ts';
import { createWatches } from './watches.ts';

// etcd looks for ended leases every 500 ms, and may be busy.
const serverLagMs = 1_000;

const capabilities: Capabilities = {
  fencing: true,
  fairness: 'fifo',
  expiry: 'ttl',
  wakeup: 'push',
  survivesFailover: true,
  crossProcess: true,
  shared: true,
  permits: true,
  ttl: { minMs: 1_000, granularityMs: 1_000, maxOvershootMs: slackMs + serverLagMs },
};

/**
 * Creates a lock adapter for etcd 3.4 or newer, through the client etcd3. A lock is a FIFO queue of keys under `prefix + name + '/'`,
 * in the order of their creation. All locks with the same TTL share one lease.
 * @throws LockError LOCK_INVALID_ARGUMENT for an invalid option
 */
export function etcdAdapter(options: EtcdLockOptions = {}): LockAdapter {
  const { prefix, callTimeoutMs, clients, owned, endpointOptions } = etcdLockSettings(options);
  const endpoints = createEndpoints(clients, callTimeoutMs, owned, endpointOptions);
  const lockKeys = createLockKeys(endpoints);
  const leases = createLeases(endpoints, (listed) => lockKeys.clear(listed));
  const queueTimeoutMs = 2 * callTimeoutMs;
  const backend: Backend = {
    endpoints,
    layout: keyLayout(prefix),
    leases,
    lockKeys,
    watches: createWatches(endpoints),
    waiting: new Map(),
    blocked: new Map(),
    batch: createBatch(endpoints),
    limit: createConcurrencyLimit(64, queueTimeoutMs, () => new NoAnswer(queueTimeoutMs)),
    entering: createKeyedQueue(queueTimeoutMs, () => new NoAnswer(queueTimeoutMs)),
  };
  let closing: Promise<void> | undefined;
  return {
    name: 'etcd',
    capabilities,
    localRunCount: 512,
    tryAcquire: (attempt) => tryAcquire(backend, attempt),
    renew: (hold, ttlMs) => renew(backend, hold, ttlMs),
    downgrade: (hold, ttlMs) => downgrade(backend, hold, ttlMs),
    release: (hold): Promise<ReleaseOutcome> => release(backend, hold),
    enqueue: (attempt, signal) => enqueue(backend, attempt, signal),
    renewMany: (holds, ttlMs) => renewMany(backend, holds, ttlMs),
    inspect: (key) => inspect(backend, key),
    keys: (cursor) => endpoints.call((client, options) => keysPage(client, options, prefix, cursor)),
    forceRelease: (key: string, owner?: string) => forceRelease(backend, key, owner),
    close() {
      closing ??= closeAll(backend);
      return closing;
    },
  };
}

async function renew(backend: Backend, hold: HoldRef, ttlMs: number): Promise<RenewOutcome> {
  const [outcome] = await renewMany(backend, [hold], ttlMs);
  return outcome!;
}

async function inspect({ endpoints, layout, lockKeys }: Backend, key: string): Promise<LockInfo | undefined> {
  const found = await findHolders(endpoints, layout.range(key));
  const [holder] = found.holders;
  if (holder === undefined) return undefined;
  assertLeased(key, holder);
  const { claim, ttlMs } = decodeValue(holder.value);
  const { TTL } = await endpoints.call((client, options) =>
    client.leaseClient.leaseTimeToLive({ ID: holder.lease }, options),
  );
  const own = lockKeys.get(holder.key.toString());
  // The leases of other processes are longer than the TTL of the lock; the TTL is in the value of the key.
  const most = own === undefined ? ttlMs : own.expiresAt - performance.now();
  const leftMs = secondsIn(TTL, 'the TTL of a lease') * 1_000;
  return {
    key,
    owner: layout.ownerOf(key, holder.key),
    remainingMs: Math.max(0, most > 0 ? Math.min(leftMs, most) : leftMs),
    fencingToken: fencingToken(holder.create_revision),
    waiters: found.count - found.holders.length,
    mode: claim.mode,
    holders: found.holders.length,
    limit: limitOf(claim),
  };
}

/** The keys that hold a lock, the oldest first, and the number of all its keys. An exclusive holder is the only one. */
async function findHolders(
  endpoints: Endpoints,
  range: KeyRange,
): Promise<{ holders: readonly IKeyValue[]; count: number }> {
  const { keys, count } = await endpoints.call((client, options) => findOldest(client, options, range, 1));
  const [first] = keys;
  if (first === undefined || count === 1 || claimOf(first).mode === 'exclusive') return { holders: keys, count };
  const all = await endpoints.call((client, options) => findOldest(client, options, range, 0));
  return { holders: holdersIn(all.keys), count: all.count };
}

/** Frees the lock if `owner` holds it, which may be repeated (H112); without `owner`, frees it from all its holders. */
async function forceRelease({ endpoints, layout }: Backend, key: string, owner?: string): Promise<boolean> {
  for (;;) {
    const { holders } = await findHolders(endpoints, layout.range(key));
    const held = holders.filter((holder) => owner === undefined || layout.ownerOf(key, holder.key) === owner);
    if (held[0] !== undefined) assertLeased(key, held[0]);
    if (held.length === 0) return false;
    const seen = held.map((holder) => ({ key: holder.key, token: holder.create_revision }));
    const deleted = await Promise.all(
      seen.map((one) => endpoints.call((client, options) => deleteSeen(client, options, one))),
    );
    if (deleted.includes(true)) return true;
    // The holders left in the meantime, and nothing was deleted. Whoever got the lock after them holds it now.
  }
}

async function closeAll(backend: Backend): Promise<void> {
  const { batch, endpoints, leases, lockKeys, watches } = backend;
  // Sent before everything else is refused; what is held ends with its lease.
  batch.flush();
  leaveQueues(backend);
  const revoked = leases.revokeUnused((lease) => lockKeys.uses(lease));
  lockKeys.close();
  watches.close();
  await Promise.all([revoked, endpoints.close()]);
}

/** Sends what gives up the places of all who wait. */
function leaveQueues({ endpoints, waiting }: Backend): void {
  const places = [...waiting.values()].flatMap((waiters) =>
    [...waiters].map(([key, { token }]) => ({ key: Buffer.from(key), token })),
  );
  for (let i = 0; i < places.length; i += deletedTogether) {
    const some = places.slice(i, i + deletedTogether);
    endpoints.call((client, options) => deleteVersions(client, options, some)).catch(() => {});
  }
}
