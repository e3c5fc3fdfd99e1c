import type {
  AcquireAttempt,
  AcquireOutcome,
  Capabilities,
  HoldRef,
  LockAdapter,
  LockInfo,
  ReleaseOutcome,
  RenewOutcome,
} from '@holdfast/lock-core';
import { acquiring, assertLeased, type Backend, queueKey } from './backend.ts';
import { createBatch } from './batch.ts';
import { createConcurrencyLimit } from './concurrency-limit.ts';
import { createEndpoints } from './endpoints.ts';
import { NoAnswer } from './errors.ts';
import { keyLayout } from './key-layout.ts';
import { createKeyedQueue } from './keyed-queue.ts';
import { createLeases, slackMs } from './leases.ts';
import { keysPage } from './list.ts';
import { createLockKeys } from './lock-keys.ts';
import { type EtcdLockOptions, etcdLockSettings } from './options.ts';
import { enqueue } from './queue.ts';
import { renewMany } from './renewal.ts';
import { deleteSeen, findHolder, freeHeld, giveUp, moveToLease, type QueueKey, takeIfFree } from './requests.ts';
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
 * order of their creation, all locks of one TTL under one lease.
 * @throws LockError LOCK_INVALID_ARGUMENT for an option that makes no sense.
 */
export function etcdAdapter(options: EtcdLockOptions = {}): LockAdapter {
  const { prefix, callTimeoutMs, clients, owned } = etcdLockSettings(options);
  const endpoints = createEndpoints(clients, callTimeoutMs, owned);
  const places = createLockKeys(endpoints);
  const leases = createLeases(endpoints, (listed) => places.clear(listed));
  const backend: Backend = {
    endpoints,
    keys: keyLayout(prefix),
    leases,
    places,
    watches: createWatches(endpoints),
    waiting: new Map(),
    batch: createBatch(endpoints),
    limit: createConcurrencyLimit(64, 2 * callTimeoutMs, () => new NoAnswer(2 * callTimeoutMs)),
    entering: createKeyedQueue(2 * callTimeoutMs, () => new NoAnswer(2 * callTimeoutMs)),
  };
  const { keys, watches } = backend;
  let closing: Promise<void> | undefined;

  function tryAcquire(attempt: AcquireAttempt): Promise<AcquireOutcome> {
    // A queue has a signal of its own, which costs less than to have this one made.
    if (attempt.signal.aborted) return Promise.reject(attempt.signal.reason);
    return acquiring(backend, attempt, true, ({ ttlMs, place: own, sending, granted }) =>
      leases.under(ttlMs, async (lease): Promise<AcquireOutcome> => {
        const place = { ...queueKey(backend, attempt.key, own), leaseId: lease.id, ttlMs };
        const taken = await backend.limit(() => {
          sending();
          return endpoints.call((client, options) => takeIfFree(client, options, place));
        });
        if (taken.holder === undefined) return granted(lease, taken.token);
        const { holder } = taken;
        assertLeased(attempt.key, holder);
        if (!holder.key.equals(place.key)) return { status: 'busy' };
        // This owner has it already, from a call whose answer was lost (H12).
        const token = holder.create_revision;
        const there =
          holder.lease === lease.id ||
          (await endpoints.call((client, options) => moveToLease(client, options, place, token)));
        return there ? granted(lease, token) : { status: 'busy' };
      }),
    );
  }

  async function renew(hold: HoldRef, ttlMs: number): Promise<RenewOutcome> {
    const [outcome] = await renewMany(backend, [hold], ttlMs);
    return outcome!;
  }

  async function release(hold: HoldRef): Promise<ReleaseOutcome> {
    const place = places.begin(keys.place(hold.key, hold.owner));
    const request = queueKey(backend, hold.key, place);
    // Who has held the lock holds it as long as his key is there; of another owner that must be asked.
    const heldIfThere = place.lease !== undefined;
    place.over = true;
    place.lease = undefined;
    // If there is no answer, its key is deleted all the same.
    place.expiresAt = performance.now();
    try {
      const held = await (heldIfThere
        ? free(hold.key, request)
        : endpoints.call((client, options) => giveUp(client, options, request)));
      places.forget(place);
      return held ? 'released' : 'not-held';
    } finally {
      places.end(place);
    }
  }

  /** Deletes a holder's key. Where somebody of this process waits, the same transaction tells whether it is his turn. */
  async function free(name: string, request: QueueKey): Promise<boolean> {
    const { waiting, batch } = backend;
    const { deleted, head } = await batch.send(freeHeld(request, waiting.has(name)));
    if (head !== undefined) waiting.get(name)?.get(head.key.toString())?.(head.create_revision);
    return deleted;
  }

  async function inspect(key: string): Promise<LockInfo | undefined> {
    const found = await endpoints.call((client, options) => findHolder(client, options, keys.range(key)));
    if (found === undefined) return undefined;
    const { holder } = found;
    assertLeased(key, holder);
    const { TTL } = await endpoints.call((client, options) =>
      client.leaseClient.leaseTimeToLive({ ID: holder.lease }, options),
    );
    const own = places.get(holder.key.toString());
    // Others' locks are under leases that are longer than their TTL, which is the value of the key.
    const most = own === undefined ? Number(holder.value.toString()) : own.expiresAt - performance.now();
    const leftMs = Number(TTL) * 1_000;
    return {
      key,
      owner: keys.ownerOf(key, holder.key),
      remainingMs: Math.max(0, most > 0 ? Math.min(leftMs, most) : leftMs),
      fencingToken: BigInt(holder.create_revision),
      waiters: found.places - 1,
    };
  }

  async function forceRelease(key: string): Promise<boolean> {
    for (;;) {
      const found = await endpoints.call((client, options) => findHolder(client, options, keys.range(key)));
      if (found === undefined) return false;
      assertLeased(key, found.holder);
      // Whoever got it in between is the holder now.
      if (await endpoints.call((client, options) => deleteSeen(client, options, found.holder))) return true;
    }
  }

  async function closeAll(): Promise<void> {
    // Sent before everything else is refused; what is held ends with its lease.
    backend.batch.flush();
    const revoked = leases.revokeUnused((lease) => places.uses(lease));
    places.close();
    watches.close();
    await Promise.all([revoked, endpoints.close()]);
  }

  return {
    name: 'etcd',
    capabilities,
    tryAcquire,
    renew,
    release,
    enqueue: (attempt, signal) => enqueue(backend, attempt, signal),
    renewMany: (holds, ttlMs) => renewMany(backend, holds, ttlMs),
    inspect,
    keys: (cursor) => endpoints.call((client, options) => keysPage(client, options, prefix, cursor)),
    forceRelease,
    close() {
      closing ??= closeAll();
      return closing;
    },
  };
}
