import type { LockAdapter } from '@holdfast/lock-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { claimed, enqueue, exclusive, permits, shared } from '../../adapter-etcd/test/support/claim-requests.ts';
import { describeClaimRules } from '../../adapter-etcd/test/support/claim-rules.ts';
import { claimOf } from '../src/claim.ts';
import { createClient } from '../src/client.ts';
import { type ClientFactory, zookeeperAdapter } from '../src/index.ts';
import { childName, childPrefix, inOrder, isChildOf, ownerOf } from '../src/names.ts';
import { until } from './support/clients.ts';
import { useServer } from './support/server.ts';

const zookeeper = useServer();
let adapters: [LockAdapter, LockAdapter];
beforeAll(() => {
  const open = (): LockAdapter => zookeeperAdapter({ servers: zookeeper.at });
  adapters = [open(), open()];
});
afterAll(() => Promise.all(adapters.map((adapter) => adapter.close!())));

const watchesOnServer = async (): Promise<number> =>
  Number(/Total watches:(\d+)/.exec(await zookeeper.server.fourLetter('wchs'))?.[1] ?? 0);

describe('claims', () => {
  describeClaimRules(() => adapters);

  it('the name of a node says what it is for; those of version 0.1.0 and of other programs count as exclusive', () => {
    for (const owner of ['a', 'a-shared', 'a-2of3', 'x/y-lock-1', '']) {
      for (const claim of [exclusive, shared, permits(2, 3), permits(1, 1_000_000)]) {
        for (const sequence of ['0000000007', '-000000001', '-2147483648']) {
          const child = childName(owner, claim) + sequence;
          expect([ownerOf(child), claimOf(child)]).toEqual([owner, claim]);
          expect(isChildOf(childPrefix(owner), child)).toBe(true);
          expect(isChildOf(childPrefix(`${owner}-2of3`), child)).toBe(false);
        }
      }
    }
    for (const child of ['_c_a-lock-0000000001', 'x-shared-0000000001', '_c_a-of3-0000000001', 'lock-0000000001']) {
      expect(claimOf(child)).toEqual(exclusive);
    }
  });

  it('a node of another program among readers is waited for like a writer', async () => {
    const reader = claimed('mixed', shared);
    await adapters[0].tryAcquire(reader);
    await zookeeper.raw.create('/locks/mixed/x-read-', 3);
    const late = await enqueue(adapters[1], 'mixed', shared);
    await adapters[0].release(reader);
    expect(late.isGranted()).toBe(false);
    const [first] = inOrder(await zookeeper.raw.children('/locks/mixed'))!;
    expect(first).toMatch(/^x-read-/);
    await zookeeper.raw.remove(`/locks/mixed/${first}`);
    await late.granted;
    await adapters[1].release(late);
  });

  it('H25: a key with other data is refused for every claim', async () => {
    await zookeeper.raw.create('/locks/data');
    await zookeeper.raw.create('/locks/data/config');
    for (const claim of [shared, permits(1, 2)]) {
      await expect(adapters[0].tryAcquire(claimed('data', claim))).rejects.toMatchObject({ code: 'LOCK_FOREIGN_KEY' });
      await expect(enqueue(adapters[1], 'data', claim)).rejects.toMatchObject({ code: 'LOCK_FOREIGN_KEY' });
    }
    expect(await zookeeper.raw.children('/locks/data')).toEqual(['config']);
  });

  it('a shared waiter that may not read the writer in its way waits until it goes, and does not ask in a loop', async () => {
    let reads = 0;
    const clientFactory: ClientFactory = (address, options) => {
      const client = createClient(address, options);
      client.getData = (_path, _watcher, done) => {
        reads += 1;
        done(Object.assign(new Error('NO_AUTH (-102)'), { code: -102 }), undefined);
      };
      return client;
    };
    const reader = zookeeperAdapter({ servers: zookeeper.at, clientFactory });
    const writer = claimed('unreadable', exclusive);
    await adapters[0].tryAcquire(writer);
    expect(await reader.tryAcquire(claimed('unreadable', shared))).toMatchObject({ status: 'busy' });
    const waiter = await enqueue(reader, 'unreadable', shared);
    await until('it has asked', () => reads === 3);
    expect(await adapters[0].downgrade!(writer, 10_000)).toMatchObject({ status: 'renewed' });
    expect(await adapters[0].release(writer)).toBe('released');
    await waiter.granted;
    expect(reads).toBeLessThan(8);
    await reader.close!();
  });

  it('H43: a waiter watches what is in its way and never the whole queue, and leaves no watch', async () => {
    expect(await watchesOnServer()).toBe(0);
    const readers = await Promise.all(Array.from({ length: 8 }, () => enqueue(adapters[0], 'watched', shared)));
    const waiters = [
      await enqueue(adapters[1], 'watched'),
      ...(await Promise.all([1, 2, 3].map(() => enqueue(adapters[1], 'watched', shared)))),
    ];
    // The writer watches the last reader; the others watch the writer, which is one watch of one process.
    await until('all watch', async () => (await watchesOnServer()) === 2);
    for (const reader of readers) await adapters[0].release(reader);
    for (const waiter of waiters) {
      await waiter.granted;
      await adapters[1].release(waiter);
    }
    expect(await watchesOnServer()).toBe(0);
  });

  it('H95: a waiter for permits watches no more nodes than there are permits', async () => {
    const key = 'watched-permits';
    const holders = await Promise.all([1, 2, 3].map(() => enqueue(adapters[0], key, permits(1, 3))));
    const waiters = [];
    for (let i = 0; i < 6; i++) waiters.push(await enqueue(adapters[1], key, permits(1, 3)));
    // Each watches the three ahead of it, and they share the watches of their process. Behind the last there is nobody.
    await until('all watch', async () => (await watchesOnServer()) === 8);
    for (const holder of [...holders.reverse(), ...waiters]) {
      await holder.granted;
      await adapters[1].release(holder);
      await adapters[0].release(holder);
    }
    expect(await watchesOnServer()).toBe(0);
  });

  it('H94: the permits and the read locks of a process whose session ends are free again', async () => {
    const gone = zookeeperAdapter({ servers: zookeeper.at });
    for (const claim of [permits(2, 2), shared]) {
      const key = `crashed-${claim.mode}`;
      await gone.tryAcquire(claimed(key, claim));
      const waiter = await enqueue(adapters[0], key, claim.mode === 'permits' ? permits(1, 2) : exclusive);
      expect(waiter.isGranted()).toBe(false);
      void waiter.granted.then(() => adapters[0].release(waiter));
    }
    await gone.close!();
    await until('all are free', async () => (await adapters[1].inspect!('crashed-permits')) === undefined);
    await until('all are free', async () => (await adapters[1].inspect!('crashed-shared')) === undefined);
  });
});
