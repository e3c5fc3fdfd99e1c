import { type AddressInfo, createServer, type Server } from 'node:net';
import { createLocks, type LockAdapter } from '@holdfast/lock-core';
import { faultProxy } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient } from '../src/client.ts';
import { type ClientFactory, zookeeperAdapter } from '../src/index.ts';
import { attempt } from './support/attempt.ts';
import { rememberingFactory, until } from './support/clients.ts';
import { useServer } from './support/server.ts';

const zookeeper = useServer();

// The beats are a tenth of it apart: none comes between a request and its answer that are to be lost.
const sessionTimeoutMs = 60_000;

/** Makes the parent, so that the next create is answered with a node. */
async function use(adapter: LockAdapter, key: string): Promise<void> {
  const request = attempt(key);
  await adapter.tryAcquire(request);
  await adapter.release(request);
}

describe('answers that are lost', () => {
  for (const thenCut of [false, true]) {
    const how = thenCut ? 'and the connection reset' : 'and the connection stays mute';
    it(`H64: the answer to the create is lost ${how}: the same owner finds its node, and there is one`, async () => {
      await using proxy = await faultProxy(zookeeper.server);
      const adapter = zookeeperAdapter({ servers: `${proxy.host}:${proxy.port}`, sessionTimeoutMs });
      const request = attempt(`create-${thenCut}`);
      await use(adapter, request.key);
      const swallowed = proxy.swallowReplies({ thenCut, match: (bytes) => bytes.includes(request.owner) });
      await expect(adapter.tryAcquire(request)).rejects.toMatchObject({ code: 'LOCK_BACKEND', retryable: true });
      await swallowed;
      await proxy.heal();
      const before = await zookeeper.raw.children(`/locks/${request.key}`);
      expect(before).toHaveLength(1);
      expect(await adapter.tryAcquire(request)).toMatchObject({ status: 'granted' });
      const after = await zookeeper.raw.children(`/locks/${request.key}`);
      expect(after).toEqual(before);
      expect(await adapter.release(request)).toBe('released');
      expect(await zookeeper.raw.children(`/locks/${request.key}`)).toEqual([]);
      await adapter.close!();
    });

    it(`H64: the answer to the create of a waiter is lost ${how}: no orphan stands in the queue`, async () => {
      await using proxy = await faultProxy(zookeeper.server);
      const key = `waiter-${thenCut}`;
      await using locks = createLocks(zookeeperAdapter({ servers: `${proxy.host}:${proxy.port}`, sessionTimeoutMs }));
      await locks.using(key, () => {});
      const swallowed = proxy.swallowReplies({ thenCut, match: (bytes) => bytes.includes('_c_') });
      const waiting = locks.acquire(key);
      await swallowed;
      await proxy.heal();
      const lock = await waiting;
      await until('only the holder is left', async () => (await zookeeper.raw.children(`/locks/${key}`)).length === 1);
      expect(await lock.release()).toBe('released');
      await until('nothing is left', async () => (await zookeeper.raw.children(`/locks/${key}`)).length === 0);
    });
  }

  it('H64: given up after a lost answer, the node is removed by its owner’s name', async () => {
    await using proxy = await faultProxy(zookeeper.server);
    const adapter = zookeeperAdapter({ servers: `${proxy.host}:${proxy.port}`, sessionTimeoutMs });
    const request = attempt('given-up');
    await use(adapter, request.key);
    const swallowed = proxy.swallowReplies({ thenCut: true, match: (bytes) => bytes.includes(request.owner) });
    await expect(adapter.tryAcquire(request)).rejects.toThrow();
    await swallowed;
    await proxy.heal();
    expect(await zookeeper.raw.children('/locks/given-up')).toHaveLength(1);
    expect(await adapter.release(request)).toBe('released');
    expect(await zookeeper.raw.children('/locks/given-up')).toEqual([]);
    expect(await adapter.release(request)).toBe('not-held');
    await adapter.close!();
  });

  it('H64: a server that answers an error of its own may have made the node: it is found again', async () => {
    const marshallingError = Object.assign(new Error('marshalling'), { code: -5 });
    const failing = { create: false, list: false };
    const clientFactory: ClientFactory = (address, options) => {
      const client = createClient(address, options);
      const { create, getChildren } = client;
      client.create = (path, data, acls, mode, done) =>
        create.call(client, path, data, acls, mode, (error, made) =>
          done(failing.create ? marshallingError : error, made),
        );
      client.getChildren = ((path: string, done: (error: unknown, names: string[]) => void) =>
        getChildren.call(client, path, (error: unknown, names: string[]) =>
          done(failing.list ? marshallingError : error, names),
        )) as typeof getChildren;
      return client;
    };
    const adapter = zookeeperAdapter({ servers: zookeeper.at, clientFactory });
    const [request, next] = [attempt('own-error'), attempt('own-error')];
    await use(adapter, request.key);
    Object.assign(failing, { create: true, list: true });
    await expect(adapter.tryAcquire(request)).rejects.toMatchObject({ code: 'LOCK_BACKEND', retryable: true });
    Object.assign(failing, { create: false, list: false });
    expect(await adapter.tryAcquire(request)).toMatchObject({ status: 'granted' });
    expect(await zookeeper.raw.children('/locks/own-error')).toHaveLength(1);
    expect(await adapter.release(request)).toBe('released');
    // What was listed right behind the create shows the node at once.
    failing.create = true;
    expect(await adapter.tryAcquire(next)).toMatchObject({ status: 'granted' });
    expect(await zookeeper.raw.children('/locks/own-error')).toHaveLength(1);
    await adapter.close!();
  });

  it('H65: a node of the same owner from another session is not taken for ours', async () => {
    await using proxy = await faultProxy(zookeeper.server);
    const adapter = zookeeperAdapter({ servers: `${proxy.host}:${proxy.port}`, sessionTimeoutMs });
    const request = attempt('dying');
    await use(adapter, request.key);
    const stale = await zookeeper.raw.create(`/locks/dying/_c_${request.owner}-lock-`, 3);
    const swallowed = proxy.swallowReplies({ thenCut: true, match: (bytes) => bytes.includes(request.owner) });
    await expect(adapter.tryAcquire(request)).rejects.toThrow();
    await swallowed;
    await proxy.heal();
    const granted = await adapter.tryAcquire(request);
    expect(granted.status).toBe('granted');
    const children = await zookeeper.raw.children('/locks/dying');
    expect(children).toHaveLength(1);
    expect(`/locks/dying/${children[0]}`).not.toBe(stale);
    expect(await zookeeper.raw.ownerOf(`/locks/dying/${children[0]}`)).not.toBe(
      zookeeper.raw.client.getSessionId().toString('hex'),
    );
    await adapter.close!();
  });

  it('H14, H70: the answer to the delete is lost: released, and the node is gone', async () => {
    await using proxy = await faultProxy(zookeeper.server);
    await using locks = createLocks(zookeeperAdapter({ servers: `${proxy.host}:${proxy.port}`, sessionTimeoutMs }));
    const lock = await locks.acquire('delete-answer');
    const swallowed = proxy.swallowReplies({ thenCut: true, match: (bytes) => bytes.includes('-lock-') });
    expect(await lock.release()).toBe('released');
    await swallowed;
    await until('the node is gone', async () => (await zookeeper.raw.children('/locks/delete-answer')).length === 0);
    await locks.using('delete-answer', () => {});
  });

  it('H70: the delete itself is lost: it is repeated until the node is gone', async () => {
    await using proxy = await faultProxy(zookeeper.server);
    await using locks = createLocks(
      zookeeperAdapter({ servers: `${proxy.host}:${proxy.port}`, sessionTimeoutMs: 20_000 }),
    );
    const lock = await locks.acquire('delete');
    proxy.blackHole();
    expect(await lock.release()).toBe('released');
    await proxy.heal();
    // The session lives on: only a repeated delete can have removed it so soon.
    await until('the node is gone', async () => (await zookeeper.raw.children('/locks/delete')).length === 0, 15_000);
  });

  it('H70: a delete that nobody repeats is repeated by the adapter, as soon as there is a connection again', async () => {
    await using proxy = await faultProxy(zookeeper.server);
    const adapter = zookeeperAdapter({ servers: `${proxy.host}:${proxy.port}`, sessionTimeoutMs });
    const request = attempt('guaranteed');
    await adapter.tryAcquire(request);
    proxy.blackHole();
    await expect(adapter.release(request)).rejects.toMatchObject({ retryable: true });
    expect(await zookeeper.raw.children('/locks/guaranteed')).toHaveLength(1);
    await proxy.heal();
    await until('the node is gone', async () => (await zookeeper.raw.children('/locks/guaranteed')).length === 0);
    await adapter.close!();
  });
});

it('a connection goes on when the protocol runs out of numbers for its requests', async () => {
  const { factory, clients } = rememberingFactory();
  const adapter = zookeeperAdapter({ servers: zookeeper.at, sessionTimeoutMs, clientFactory: factory });
  const held = attempt('numbers-held');
  expect(await adapter.tryAcquire(held)).toMatchObject({ status: 'granted' });
  clients[0]!.connectionManager.xid = 2 ** 31 - 3;
  for (let i = 0; i < 4; i += 1) await use(adapter, `numbers-${i}`);
  expect(await adapter.renew(held, 10_000)).toMatchObject({ status: 'renewed' });
  expect(clients).toHaveLength(1);
  await adapter.close!();
});

describe('servers that do not answer', () => {
  let mute: Server;
  let muteAt: string;

  beforeAll(async () => {
    // It reads, and says nothing.
    mute = createServer((socket) => socket.on('error', () => {}).resume());
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    muteAt = `127.0.0.1:${(mute.address() as { port: number }).port}`;
  });

  afterAll(() => new Promise((resolve) => mute.close(resolve)));

  it('H66: a server that accepts and stays mute is left for the next one', async () => {
    // The first server is chosen by chance: some of these begin with the mute one.
    const rounds = Array.from({ length: 8 }, async (_, i) => {
      await using locks = createLocks(
        zookeeperAdapter({ servers: `${muteAt},${zookeeper.at}`, sessionTimeoutMs: 4_000 }),
      );
      await locks.using(`mute-${i}`, () => {});
    });
    await Promise.all(rounds);
  });

  it('what is no ZooKeeper server, and answers nonsense, is refused for good (H130)', async () => {
    // As the length of an answer this is below 0.
    const nonsense = createServer((socket) =>
      socket.on('error', () => {}).once('data', () => socket.write('\xff\xff\xff\xfc', 'latin1')),
    );
    await new Promise<void>((resolve) => nonsense.listen(0, '127.0.0.1', resolve));
    const nonsenseAt = `127.0.0.1:${(nonsense.address() as AddressInfo).port}`;
    const adapter = zookeeperAdapter({ servers: nonsenseAt });
    await expect(adapter.inspect!('any')).rejects.toMatchObject({ code: 'LOCK_BACKEND', retryable: false });
    await adapter.close!();
    nonsense.close();
  });

  it('H53: a client that cannot be made fails the calls, and nothing else; the next call tries again', async () => {
    let broken = true;
    const clientFactory: ClientFactory = (address, options) => {
      if (broken) throw new Error('no client today');
      return createClient(address, options);
    };
    const adapter = zookeeperAdapter({ servers: zookeeper.at, clientFactory });
    for (let i = 0; i < 2; i++) {
      await expect(adapter.inspect!('any')).rejects.toMatchObject({ code: 'LOCK_BACKEND', retryable: true });
    }
    broken = false;
    expect(await adapter.inspect!('any')).toBeUndefined();
    broken = true;
    await adapter.close!();
  });

  it('H66: with only mute servers every call ends, and says so', async () => {
    const adapter = zookeeperAdapter({ servers: muteAt, sessionTimeoutMs: 4_000 });
    const begin = performance.now();
    const request = attempt('nobody');
    const calls = [
      adapter.tryAcquire(request),
      adapter.enqueue!(attempt('nobody'), request.signal),
      adapter.release(attempt('nobody')),
      adapter.inspect!('nobody'),
    ];
    const neverSent = adapter.release(request);
    const message = expect.stringContaining(`${muteAt} did not answer within`);
    const unknown = { status: 'rejected', reason: { code: 'LOCK_BACKEND', retryable: true, message } };
    for (const outcome of await Promise.allSettled(calls)) expect(outcome).toMatchObject(unknown);
    // No request was sent for this owner, so the answer is certain.
    expect(await neverSent).toBe('not-held');
    expect(performance.now() - begin).toBeLessThan(10_000);
    await adapter.close!();
    await expect(adapter.tryAcquire(request)).rejects.toMatchObject({ code: 'LOCK_CLOSED' });
  });

  it('H27: nothing is queued for a server that is down: an acquire that was given up leaves no node when it comes back', async () => {
    await using proxy = await faultProxy(zookeeper.server);
    proxy.refuse();
    await using locks = createLocks(zookeeperAdapter({ servers: `${proxy.host}:${proxy.port}` }), {
      backendTimeoutMs: 1_000,
    });
    await expect(locks.acquire('down')).rejects.toMatchObject({ code: 'LOCK_BACKEND' });
    await proxy.heal();
    await until('it is there again', () => locks.inspect('other').then(() => true));
    // An attempt that still waited for the connection may have made one, and removes it.
    await until('no node is left', async () => (await zookeeper.raw.children('/locks/down')).length === 0);
    await locks.using('down', () => {});
  });

  it('a waiter’s place is kept over a short failure, and given up in bounded time over a long one', async () => {
    await using proxy = await faultProxy(zookeeper.server);
    const adapter = zookeeperAdapter({ servers: `${proxy.host}:${proxy.port}`, sessionTimeoutMs: 30_000 });
    await using others = createLocks(zookeeperAdapter({ servers: zookeeper.at }));
    const lock = await others.acquire('patience');
    const request = attempt('patience');
    let settled = false;
    const waiting = adapter.enqueue!(request, request.signal);
    waiting.then(
      () => {},
      () => {
        settled = true;
      },
    );
    const queued = async () => (await others.inspect('patience'))?.waiters === 1;
    await until('it is queued', queued);
    proxy.cut();
    await until('it is connected again', () => proxy.connections === 1);
    expect(await queued()).toBe(true);
    expect(settled).toBe(false);
    proxy.refuse();
    await expect(waiting).rejects.toMatchObject({ code: 'LOCK_BACKEND', retryable: true });
    await proxy.heal();
    expect(await adapter.release(request)).toBe('not-held');
    expect((await others.inspect('patience'))?.waiters).toBe(0);
    await lock.release();
    await adapter.close!();
  });
});
