import type { Capabilities, HoldRef, LockAdapter, LockInfo, ReleaseOutcome, RenewOutcome } from '@holdfast/lock-core';
import { tryAcquire } from './acquire.ts';
import { secondsIn } from './answers.ts';
import { assertLeased, type Backend } from './backend.ts';
import { createBatch } from './batch.ts';
import { createConcurrencyLimit } from './concurrency-limit.ts';
import { createEndpoints } from './endpoints.ts';
import { NoAnswer } from './errors.ts';
import { fencingToken } from './fencing.ts';
import { keyLayout } from './key-layout.ts';
import { deleteSeen } from './key-versions.ts';
import { createKeyedQueue } from './keyed-queue.ts';
import { createLeases, slackMs } from './leases.ts';
import { keysPage } from './list.ts';
import { createLockKeys } from './lock-keys.ts';
import { type EtcdLockOptions, etcdLockSettings } from './options.ts';
import { enqueue } from './queue.ts';
import { release } from './release.ts';
import { renewMany } from './renewal.ts';
import { findHolder } from './requests.ts';
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
  ttl: { minMs: 1_000, granularityMs: 1_000, maxOvershootMs: slackMs + serverLagMs },
};

/**
 * Locks on etcd through etcd3; needs etcd 3.4 or newer. A lock is a FIFO queue of keys under `prefix + name + '/'`, in the
 * order of their creation. All locks of one TTL share one lease.
 * @throws LockError LOCK_INVALID_ARGUMENT for an invalid option.
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
    batch: createBatch(endpoints),
    limit: createConcurrencyLimit(64, queueTimeoutMs, () => new NoAnswer(queueTimeoutMs)),
    entering: createKeyedQueue(queueTimeoutMs, () => new NoAnswer(queueTimeoutMs)),
  };
  let closing: Promise<void> | undefined;
  return {
    name: 'etcd',
    capabilities,
    tryAcquire: (attempt) => tryAcquire(backend, attempt),
    renew: (hold, ttlMs) => renew(backend, hold, ttlMs),
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
  const found = await endpoints.call((client, options) => findHolder(client, options, layout.range(key)));
  if (found === undefined) return undefined;
  const { holder, keys } = found;
  assertLeased(key, holder);
  const { TTL } = await endpoints.call((client, options) =>
    client.leaseClient.leaseTimeToLive({ ID: holder.lease }, options),
  );
  const own = lockKeys.get(holder.key.toString());
  // Locks of other processes are under leases that are longer than their TTL, which is the value of the key.
  const most = own === undefined ? Number(holder.value.toString()) : own.expiresAt - performance.now();
  const leftMs = secondsIn(TTL, 'the TTL of a lease') * 1_000;
  return {
    key,
    owner: layout.ownerOf(key, holder.key),
    remainingMs: Math.max(0, most > 0 ? Math.min(leftMs, most) : leftMs),
    fencingToken: fencingToken(holder.create_revision),
    waiters: keys - 1,
  };
}

/** Frees the lock if `owner` holds it, which may be repeated (H112); without `owner`, frees it from whoever holds it. */
async function forceRelease({ endpoints, layout }: Backend, key: string, owner?: string): Promise<boolean> {
  for (;;) {
    const found = await endpoints.call((client, options) => findHolder(client, options, layout.range(key)));
    if (found === undefined) return false;
    const { holder } = found;
    assertLeased(key, holder);
    if (owner !== undefined && layout.ownerOf(key, holder.key) !== owner) return false;
    const seen = { key: holder.key, token: holder.create_revision };
    if (await endpoints.call((client, options) => deleteSeen(client, options, seen))) return true;
    // The holder left meanwhile, and nothing was deleted. Whoever got the lock then is the holder now.
  }
}

async function closeAll({ batch, endpoints, leases, lockKeys, watches }: Backend): Promise<void> {
  // Sent before everything else is refused; what is held ends with its lease.
  batch.flush();
  const revoked = leases.revokeUnused((lease) => lockKeys.uses(lease));
  lockKeys.close();
  watches.close();
  await Promise.all([revoked, endpoints.close()]);
}
