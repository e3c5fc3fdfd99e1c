import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createLocks, type LockAdapter } from '@holdfast/lock-core';
import { faultProxy } from '@holdfast/testbed';
import { describe, expect, it } from 'vitest';
import { createClient } from '../src/client.ts';
import { type ClientFactory, zookeeperAdapter } from '../src/index.ts';
import { attempt } from './support/attempt.ts';
import { rememberingFactory, until } from './support/clients.ts';
import { useServer } from './support/server.ts';

const zookeeper = useServer();
const open = (options: object = {}): LockAdapter => zookeeperAdapter({ servers: zookeeper.at, ...options });
const children = (key: string): Promise<string[]> => zookeeper.raw.children(`/locks/${key}`);
const everyone = { scheme: 'world', id: 'anyone' };
const right = { all: 31, read: 1, create: 4, notDelete: 31 - 8 };
const permit = (key: string, permissions: number): Promise<void> =>
  zookeeper.raw.setAcl(`/locks/${key}`, [{ ...everyone, permissions }]);
const refusal = { code: 'LOCK_BACKEND', retryable: false, message: expect.stringContaining('NO_AUTH (-102)') };

/** As core calls it: with the owner that it has observed. */
const forceRelease = (adapter: LockAdapter, key: string, owner?: string): Promise<boolean> =>
  (adapter.forceRelease as (key: string, owner?: string) => Promise<boolean>)(key, owner);

describe('a removal that ZooKeeper refuses', () => {
  it('is reported as refused, and repeated until the node is gone (H70)', async () => {
    const adapter = open();
    const [request, elsewhere] = [attempt('refused'), attempt('elsewhere')];
    await adapter.tryAcquire(request);
    await adapter.tryAcquire(elsewhere);
    await permit('refused', right.notDelete);
    for (let i = 0; i < 2; i += 1) await expect(adapter.release(request)).rejects.toMatchObject(refusal);
    // One owner ID, one release: nothing is requested for it any more.
    expect(await adapter.tryAcquire(request)).toEqual({ status: 'busy' });
    await expect(adapter.enqueue!(request, request.signal)).rejects.toMatchObject({ code: 'LOCK_BACKEND' });
    expect(await children('refused')).toHaveLength(1);
    await permit('refused', right.all);
    await until('the node is gone', async () => (await children('refused')).length === 0);
    expect(await adapter.renew(elsewhere, 1_000)).toMatchObject({ status: 'renewed' });
    await adapter.close!();
  });

  it('gives up a session that holds nothing else, also when the last other hold ends later (H70)', async () => {
    const adapter = open({ sessionTimeoutMs: 60_000 });
    const [request, elsewhere] = [attempt('last'), attempt('before-last')];
    await adapter.tryAcquire(request);
    await adapter.tryAcquire(elsewhere);
    await permit('last', right.notDelete);
    await expect(adapter.release(request)).rejects.toMatchObject(refusal);
    await sleep(500);
    expect(await children('last')).toHaveLength(1);
    expect(await adapter.release(elsewhere)).toBe('released');
    await until('the node is gone', async () => (await children('last')).length === 0, 10_000);
    const next = attempt('last');
    expect(await adapter.tryAcquire(next)).toMatchObject({ status: 'granted' });
    await adapter.close!();
  });

  it('an acquire that is refused and leaves nothing causes no release; one that may leave a node does (H115)', async () => {
    const reaps: string[] = [];
    const onReap = (message: unknown): unknown => reaps.push((message as { key: string }).key);
    subscribe('holdfast:reap', onReap);
    const other = open();
    const locks = createLocks(open());
    for (const key of ['forbidden', 'stays']) {
      const used = attempt(key);
      await other.tryAcquire(used);
      await permit(key, key === 'stays' ? right.notDelete : right.read);
    }
    await expect(locks.acquire('forbidden')).rejects.toMatchObject(refusal);
    await expect(locks.tryAcquire('forbidden')).rejects.toMatchObject(refusal);
    expect(reaps).toEqual([]);
    // A session that holds nothing else would be given up, and its nodes with it.
    await locks.acquire('beside');
    await expect(locks.tryAcquire('stays')).rejects.toMatchObject(refusal);
    expect(reaps).toContain('stays');
    await permit('stays', right.all);
    await until('its node is gone', async () => (await children('stays')).length === 1);
    unsubscribe('holdfast:reap', onReap);
    await Promise.all([locks.close(), other.close!()]);
  });

  it('an attempt that finds the key busy leaves nothing, and does not answer busy while its node remains (H115)', async () => {
    const [holder, other] = [open(), open()];
    const request = attempt('busy');
    await holder.tryAcquire(request);
    await permit('busy', right.notDelete);
    await expect(other.tryAcquire(attempt('busy'))).rejects.toMatchObject(refusal);
    await until('its session is given up', async () => (await children('busy')).length === 1);
    await permit('busy', right.all);
    expect(await holder.release(request)).toBe('released');
    await Promise.all([holder.close!(), other.close!()]);
  });

  it('a node that may be created but not listed is removed before the refusal is reported (H115)', async () => {
    const adapter = open();
    await adapter.release(attempt('unlisted'));
    const used = attempt('unlisted');
    await adapter.tryAcquire(used);
    await adapter.release(used);
    await permit('unlisted', right.create + 8);
    const elsewhere = attempt('listed');
    await adapter.tryAcquire(elsewhere);
    await expect(adapter.tryAcquire(attempt('unlisted'))).rejects.toMatchObject(refusal);
    await expect(adapter.enqueue!(attempt('unlisted'), used.signal)).rejects.toMatchObject(refusal);
    // `dump` lists the ephemeral nodes of every session, whatever their ACL.
    const nodesLeft = async (): Promise<number> =>
      (await zookeeper.server.fourLetter('dump')).split('/locks/unlisted/').length - 1;
    expect(await nodesLeft()).toBe(0);
    expect(await adapter.release(elsewhere)).toBe('released');
    await adapter.close!();
  });
});

describe('a hold that has ended is forgotten', () => {
  it('however it ended, hundreds of times: no memory, no idle writes', { timeout: 120_000 }, async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    let writes = 0;
    const clientFactory: ClientFactory = (address, options) => {
      const client = createClient(address, options);
      const { transaction } = client;
      client.transaction = () => {
        writes += 1;
        return transaction.call(client);
      };
      return client;
    };
    const [adapter, operator] = [open({ sessionTimeoutMs: 2_000, clientFactory }), open()];
    const heap = (): number => {
      collect();
      return process.memoryUsage().heapUsed;
    };
    const once = async (i: number): Promise<void> => {
      const request = attempt(`ended-${i % 50}`);
      if ((await adapter.tryAcquire(request)).status === 'busy') return;
      const kind = i % 4;
      if (kind === 0) expect(await adapter.release(request)).toBe('released');
      if (kind === 1) expect(await forceRelease(operator, request.key, request.owner)).toBe(true);
      if (kind === 1) expect(await adapter.renew(request, 1_000)).toEqual({ status: 'lost' });
      if (kind === 2) await forceRelease(operator, request.key);
      if (kind === 2) expect(await adapter.release(request)).toBe('not-held');
      if (kind === 3) expect((await adapter.tryAcquire(attempt(request.key))).status).toBe('busy');
      if (kind === 3) expect(await adapter.release(request)).toBe('released');
    };
    for (let i = 0; i < 100; i += 1) await once(i);
    const before = heap();
    for (let i = 0; i < 400; i += 1) await once(i);
    expect(heap() - before).toBeLessThan(500_000);
    await sleep(300);
    const writesBefore = writes;
    // Ten heartbeats, which would be writes if anything was held.
    await sleep(2_000);
    expect(writes - writesBefore).toBeLessThanOrEqual(1);
    await Promise.all([adapter.close!(), operator.close!()]);
  });

  it('a node that is created again under the same name, in the same session, is not the hold that was granted (H65)', async () => {
    const { factory, clients } = rememberingFactory();
    const adapter = open({ clientFactory: factory });
    const request = attempt('again');
    await adapter.tryAcquire(request);
    const path = `/locks/again/${(await children('again'))[0]}`;
    await zookeeper.raw.remove(path);
    const acl = (await import('../src/client.ts')).clientAcl([{ ...everyone, permissions: right.all }]);
    await new Promise<void>((resolve, reject) => {
      clients.at(-1)!.create(path, null, acl, 1, (error) => (error ? reject(error) : resolve()));
    });
    expect(await adapter.renew(request, 1_000)).toEqual({ status: 'lost' });
    await adapter.close!();
  });
});

describe('one owner ID, one release', () => {
  it('a forced release names the owner: repeated after a lost answer, it leaves the next holder alone (H112)', async () => {
    await using proxy = await faultProxy(zookeeper.server);
    const operator = open({ servers: `${proxy.host}:${proxy.port}`, sessionTimeoutMs: 60_000 });
    const adapter = open();
    const [first, second] = [attempt('forced'), attempt('forced')];
    await adapter.tryAcquire(first);
    await operator.inspect!('forced');
    const next = adapter.enqueue!(second, second.signal);
    await until('it is queued', async () => (await children('forced')).length === 2);
    // The answer to the delete is the first after that to the list.
    const swallowed = proxy.swallowReplies({ thenCut: true, match: (bytes) => bytes.includes(first.owner) });
    await expect(forceRelease(operator, 'forced', first.owner)).rejects.toMatchObject({ retryable: true });
    await swallowed;
    await proxy.heal();
    // Core repeats it.
    await forceRelease(operator, 'forced', first.owner);
    expect(await next).toMatchObject({ status: 'granted' });
    expect(await forceRelease(operator, 'forced', first.owner)).toBe(false);
    expect(await adapter.renew(second, 1_000)).toMatchObject({ status: 'renewed' });
    expect(await forceRelease(operator, 'forced', second.owner)).toBe(true);
    expect(await forceRelease(operator, 'forced')).toBe(false);
    await Promise.all([operator.close!(), adapter.close!()]);
  });

  it('a request of an owner whose removal has no answer yet is busy, and creates no node (H111)', async () => {
    await using proxy = await faultProxy(zookeeper.server);
    const adapter = open({ servers: `${proxy.host}:${proxy.port}`, sessionTimeoutMs: 60_000 });
    const request = attempt('one-release');
    await adapter.tryAcquire(request);
    proxy.blackHole('to-client');
    const releasing = adapter.release(request);
    const acquiring = adapter.tryAcquire(request);
    await expect(releasing).rejects.toMatchObject({ retryable: true });
    expect(await acquiring).toEqual({ status: 'busy' });
    expect(await adapter.tryAcquire(request)).toEqual({ status: 'busy' });
    await proxy.heal();
    await until('nothing is left', async () => (await children('one-release')).length === 0);
    await sleep(100);
    expect(await children('one-release')).toEqual([]);
    await adapter.close!();
  });
});
