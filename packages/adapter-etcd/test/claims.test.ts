import type { LockAdapter } from '@holdfast/lock-core';
import { type EtcdServer, startEtcd } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeValue, downgraded, encodeValue } from '../src/claim.ts';
import { etcdAdapter } from '../src/index.ts';
import { claimed, enqueue, exclusive, permits, shared } from './support/claim-requests.ts';
import { describeClaimRules } from './support/claim-rules.ts';
import { clientOf, eventually, hostOf, metric, newName } from './support/etcd.ts';

let server: EtcdServer;
let adapters: [LockAdapter, LockAdapter];
beforeAll(async () => {
  server = await startEtcd();
  adapters = [etcdAdapter({ hosts: hostOf(server) }), etcdAdapter({ hosts: hostOf(server) })];
});
afterAll(async () => {
  await Promise.all(adapters.map((adapter) => adapter.close!()));
  await server.stop();
});

describe('claims', () => {
  describeClaimRules(() => adapters);

  it('a value says what a key is for; what other programs write counts as exclusive', () => {
    for (const claim of [exclusive, shared, permits(2, 1_000_000)]) {
      expect(decodeValue(encodeValue({ ttlMs: 5_000, claim }))).toEqual({ ttlMs: 5_000, claim });
    }
    expect(encodeValue({ ttlMs: 5_000, claim: exclusive }).toString()).toBe('5000');
    expect(decodeValue(encodeValue({ ttlMs: 1, claim: downgraded })).claim).toBe(downgraded);
    for (const value of ['', 'shared', '5 of 6', '1000 shared ', '1000 2 of']) {
      expect(decodeValue(Buffer.from(value))).toEqual({ ttlMs: 0, claim: exclusive });
    }
  });

  it('H25: a key without a lease among readers: who waits behind it is refused, and it stays', async () => {
    const raw = clientOf(server);
    const name = newName();
    await raw.put(`locks/${name}/data`).value('1000 shared');
    for (const claim of [shared, permits(1, 2)]) {
      await expect(adapters[0].tryAcquire(claimed(name, claim))).rejects.toMatchObject({ code: 'LOCK_FOREIGN_KEY' });
    }
    expect(await raw.get(`locks/${name}/data`).string()).toBe('1000 shared');
  });

  it('H94: the permits and the read lock of a process that is gone come back with its lease', async () => {
    const gone = etcdAdapter({ hosts: hostOf(server) });
    const [name, other] = [newName(), newName()];
    await gone.tryAcquire(claimed(name, permits(2, 3), { ttlMs: 1_000 }));
    await gone.tryAcquire(claimed(other, shared, { ttlMs: 1_000 }));
    const waiters = [await enqueue(adapters[0], name, permits(3, 3)), await enqueue(adapters[1], other)];
    // What is held ends with its lease.
    await gone.close!();
    for (const waiter of waiters) {
      expect(waiter.isGranted()).toBe(false);
      void waiter.granted.then(() => adapters[0].release(waiter));
    }
    await Promise.all(waiters.map(({ granted }) => granted));
  });

  it('H43: a waiter has one watch, however many readers and waiters there are, and leaves none', async () => {
    const name = newName();
    const watchers = () => metric(server, /^etcd_debugging_mvcc_watcher_total /);
    const before = await watchers();
    const readers = await Promise.all(Array.from({ length: 8 }, () => enqueue(adapters[0], name, shared)));
    const waiters = [
      await enqueue(adapters[1], name),
      ...(await Promise.all([1, 2].map(() => enqueue(adapters[1], name, shared)))),
    ];
    // The readers are of another process. The others wait for one of their own, which needs a watch only after a while.
    await eventually('all watch', async () => (await watchers()) === before + 3);
    for (const reader of readers) await adapters[0].release(reader);
    for (const waiter of waiters) {
      await waiter.granted;
      await adapters[1].release(waiter);
    }
    await eventually('no watch is left', async () => (await watchers()) === before);
  });
});
