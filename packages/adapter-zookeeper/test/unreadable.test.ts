import { setTimeout as sleep } from 'node:timers/promises';
import type { LockAdapter } from '@holdfast/lock-core';
import { describe, expect, it } from 'vitest';
import { claimed, enqueue, permits, shared } from '../../adapter-etcd/test/support/claim-requests.ts';
import { createClient } from '../src/client.ts';
import { type ClientFactory, zookeeperAdapter } from '../src/index.ts';
import { attempt } from './support/attempt.ts';
import { until } from './support/clients.ts';
import { useServer } from './support/server.ts';

const zookeeper = useServer();
const open = (options: object = {}): LockAdapter => zookeeperAdapter({ servers: zookeeper.at, ...options });
const children = (key: string): Promise<string[]> => zookeeper.raw.children(`/locks/${key}`);

describe('a waiter behind a node that it may not read', () => {
  it('sends next to nothing, and is served when the node goes (H71)', async () => {
    const known = open({ auth: { scheme: 'digest', credentials: 'user:secret' } });
    const waiter = open();
    const used = attempt('unreadable');
    await waiter.tryAcquire(used);
    await waiter.release(used);
    const [first, second] = [attempt('unreadable'), attempt('unreadable')];
    await known.tryAcquire(first);
    const waiting = waiter.enqueue!(second, second.signal);
    await until('it is queued', async () => (await children('unreadable')).length === 2);
    const received = async (): Promise<number> =>
      Number(/Received: (\d+)/.exec(await zookeeper.server.fourLetter('srvr'))?.[1]);
    const before = await received();
    await sleep(1_000);
    expect((await received()) - before).toBeLessThan(30);
    expect(await known.release(first)).toBe('released');
    expect(await waiting).toMatchObject({ status: 'granted' });
    await Promise.all([known.close!(), waiter.close!()]);
  });

  it('H37: is served within seconds when the permission to read was taken away while it waited', async () => {
    const [holder, waiter] = [open(), open()];
    const key = 'unreadable-meanwhile';
    const claims = [undefined, shared, permits(2, 3)];
    for (const [i, claim] of claims.entries()) {
      const held = claimed(`${key}-${i}`, i === 2 ? claim : undefined);
      await holder.tryAcquire(held);
      const waiting = await enqueue(waiter, held.key, claim);
      // Its watch is set by now: the waiter has looked once more behind it.
      await sleep(200);
      for (const child of await children(held.key)) {
        const nobody = { permissions: 31, scheme: 'digest', id: 'nobody:x' };
        await zookeeper.raw.setAcl(`/locks/${held.key}/${child}`, [nobody]);
      }
      const releasedAt = performance.now();
      expect(await holder.release(held)).toBe('released');
      await waiting.granted;
      expect(performance.now() - releasedAt).toBeLessThan(12_000);
      expect(await waiter.release(waiting)).toBe('released');
    }
    await Promise.all([holder.close!(), waiter.close!()]);
  }, 60_000);

  it('watches their parent once, however many they are, and a change costs it one look', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): unknown => warnings.push(warning);
    process.on('warning', onWarning);
    const requests: string[] = [];
    const clientFactory: ClientFactory = (address, options) => {
      const client = createClient(address, options);
      for (const name of ['getData', 'getChildren'] as const) {
        const own = client[name] as (...given: unknown[]) => void;
        client[name] = (...given: unknown[]) => {
          requests.push(`${name} ${given[0]}`);
          own.apply(client, given);
        };
      }
      return client;
    };
    const known = open({ auth: { scheme: 'digest', credentials: 'user:secret' } });
    const waiter = open({ clientFactory });
    const key = 'unreadable-permits';
    const used = claimed(key, permits(1, 12));
    await waiter.tryAcquire(used);
    await waiter.release(used);
    const holders = Array.from({ length: 12 }, () => claimed(key, permits(1, 12)));
    for (const holder of holders) await known.tryAcquire(holder);
    const waiting = await enqueue(waiter, key, permits(1, 12));
    const asked = (): number => requests.length;
    await until('it watches', () => requests.includes(`getChildren /locks/${key}`) && asked() > 13);
    await sleep(200);
    requests.length = 0;
    // Somebody comes behind it.
    const behind = await enqueue(known, key, permits(12, 12));
    await until('it has looked', () => asked() > 0);
    await sleep(200);
    expect(requests).toEqual([`getChildren /locks/${key}`]);
    await behind.leave();
    await known.release(holders[5]!);
    await waiting.granted;
    expect(requests.filter((request) => request.startsWith('getData'))).toEqual([]);
    await waiter.release(waiting);
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
    await Promise.all([known.close!(), waiter.close!()]);
  });

  it('is refused, and leaves no node, when the server permits no watch at all (H115)', async () => {
    const clientFactory: ClientFactory = (address, options) => {
      const client = createClient(address, options);
      const getChildren = client.getChildren as (...given: unknown[]) => void;
      const noAuth = Object.assign(new Error('NO_AUTH (-102)'), { code: -102 });
      client.getData = (_path, _watcher, done) => done(noAuth, undefined);
      client.getChildren = (...given: unknown[]) => {
        if (given.length === 3) (given[2] as (error: unknown) => void)(noAuth);
        else getChildren.apply(client, given);
      };
      return client;
    };
    const [holder, waiter] = [open(), open({ clientFactory })];
    await holder.tryAcquire(attempt('unwatched'));
    const request = attempt('unwatched');
    await expect(waiter.enqueue!(request, request.signal)).rejects.toMatchObject({ retryable: false });
    expect(await children('unwatched')).toHaveLength(1);
    await Promise.all([holder.close!(), waiter.close!()]);
  });
});
