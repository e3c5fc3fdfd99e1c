import { createLocks } from '@holdfast/lock-core';
import { type RedisGroup, startRedisCluster } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clusterAclTest } from './cluster-acl-test.ts';
import { attempt, grant, leaveEarly, lockError, newName, until } from './helpers.ts';
import type { ClientKit, TestClient } from './kit.ts';
import { slotTests } from './slot-tests.ts';

/** What is special on a cluster of three masters. */
export function clusterSuite(kits: readonly ClientKit[]): void {
  let cluster: RedisGroup;
  beforeAll(async () => {
    cluster = await startRedisCluster();
  });
  afterAll(() => cluster?.stop());

  const onEach = (...command: string[]) => Promise.all(cluster.nodes.map((node) => node.command(...command)));

  describe.each(kits)('$name', (kit) => {
    let client: TestClient;
    beforeAll(() => {
      client = kit.connect({ kind: 'cluster', nodes: cluster.nodes });
    });
    afterAll(() => client.close());

    it('H16: SCRIPT FLUSH on every master between every two operations, on keys of every master', async () => {
      const adapter = client.adapter();
      const requests = Array.from({ length: 12 }, () => attempt(newName()));
      const flush = () => onEach('SCRIPT', 'FLUSH');
      for (const request of requests) {
        await flush();
        const { fencingToken } = await grant(adapter, request);
        await flush();
        expect(await adapter.renew(request, 5_000)).toMatchObject({ status: 'renewed' });
        await flush();
        expect(await adapter.inspect?.(request.key)).toMatchObject({ owner: request.owner, fencingToken });
        await flush();
        expect(await adapter.release(request)).toBe('released');
      }
    });

    it('H17: names with braces of all kinds work on a cluster, fence key and all', async () => {
      const adapter = client.adapter();
      const stem = newName();
      for (const form of ['{a}', '{}', '}', '{', '}{', '{}{a}', 'a}b{c}', '{{a}}', '{%7D}', '%{a']) {
        const request = attempt(`${stem}${form}`);
        await grant(adapter, request);
        expect(await adapter.release(request)).toBe('released');
      }
    });

    it('waiters are woken over sharded channels', async () => {
      const adapter = client.adapter();
      const locks = createLocks(adapter);
      const keys = Array.from({ length: 6 }, () => newName());
      const holds = await Promise.all(
        keys.map(async (key) => {
          const request = attempt(key, { ttlMs: 60_000 });
          await grant(client.adapter(), request);
          return request;
        }),
      );
      const abort = new AbortController();
      await Promise.all(keys.map((key) => adapter.whenFree?.(key, abort.signal)));
      const hints = keys.map((key) => adapter.whenFree?.(key, abort.signal));
      for (const hold of holds) await client.adapter().release(hold);
      await Promise.all(hints);
      abort.abort();
      await until('no subscription is left', async () =>
        (await onEach('PUBSUB', 'SHARDCHANNELS')).every((channels) => (channels as unknown[]).length === 0),
      );
      await locks.close();
    });

    it('H43: waiters that leave before they are subscribed leave no subscription', async () => {
      const adapter = client.adapter();
      await Promise.all([leaveEarly(adapter), leaveEarly(adapter)]);
      await adapter.close?.();
      await until('no subscription is left', async () =>
        (await onEach('PUBSUB', 'SHARDCHANNELS')).every((channels) => (channels as unknown[]).length === 0),
      );
    });

    it('H19: waitReplicas asks the master of the key, which has none: busy, and nothing is left', async () => {
      const adapter = client.adapter({ waitReplicas: 1, waitReplicasTimeoutMs: 20 });
      for (let i = 0; i < 6; i++) {
        const request = attempt(newName());
        expect(await adapter.tryAcquire(request)).toMatchObject({ status: 'busy' });
        expect(await adapter.inspect?.(request.key)).toBeUndefined();
      }
    });

    slotTests(kit, () => cluster);
    clusterAclTest(kit, () => cluster);

    it('H25: a foreign key is told as on a single server', async () => {
      const request = attempt(`${newName()}{t}`);
      for (const node of cluster.nodes) {
        await node.command('RPUSH', `lock:${request.key}`, 'x').catch(() => {});
      }
      await expect(client.adapter().tryAcquire(request)).rejects.toEqual(lockError('LOCK_FOREIGN_KEY'));
    });
  });

  // The adapter package imports one major version of its client.
  it(`a cluster that is away when it is opened is found once it is there, ${kits[0]!.name}`, {
    timeout: 120_000,
  }, async () => {
    await Promise.all(cluster.nodes.map((node) => node.kill()));
    const adapter = kits[0]!.open({ kind: 'cluster', nodes: cluster.nodes });
    const ask = () => {
      const signal = AbortSignal.timeout(2_000);
      return adapter.tryAcquire(attempt(newName(), { signal })).catch(() => undefined);
    };
    expect(await ask()).toBeUndefined();
    await Promise.all(cluster.nodes.map((node) => node.restart()));
    await until('a lock is granted', async () => (await ask())?.status === 'granted');
    await adapter.close?.();
  });
}
