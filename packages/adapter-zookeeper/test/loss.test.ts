import { createLocks, type Lock } from '@holdfast/lock-core';
import { faultProxy } from '@holdfast/testbed';
import { describe, expect, it } from 'vitest';
import { zookeeperAdapter } from '../src/index.ts';
import { expire, rememberingFactory, until } from './support/clients.ts';
import { useServer } from './support/server.ts';

const sessionTimeoutMs = 2_000;
const zookeeper = useServer();

/** When the lock said that it is lost. */
function lossOf(lock: Lock): { at: number | undefined } {
  const loss: { at: number | undefined } = { at: undefined };
  lock.signal.addEventListener('abort', () => {
    loss.at = performance.now();
  });
  return loss;
}

async function onlyNode(key: string): Promise<string> {
  const children = await zookeeper.raw.children(`/locks/${key}`);
  expect(children).toHaveLength(1);
  return `/locks/${key}/${children[0]}`;
}

describe('a hold is lost no later than its node', () => {
  it('H66: a silent partition: the loss is signalled before the server removes the node', async () => {
    await using proxy = await faultProxy(zookeeper.server);
    await using locks = createLocks(zookeeperAdapter({ servers: `${proxy.host}:${proxy.port}`, sessionTimeoutMs }));
    await using others = createLocks(zookeeperAdapter({ servers: zookeeper.at, sessionTimeoutMs }));
    const lock = await locks.acquire('partition');
    const path = await onlyNode('partition');
    // Long enough for the watchdog and the beats to have gone on for a while.
    await lock.renew();
    const loss = lossOf(lock);
    proxy.blackHole();
    const waiting = others.acquire('partition');
    await until('the server ends the session', async () => (await zookeeper.raw.ownerOf(path)) === undefined);
    const goneAt = performance.now();
    expect(loss.at).toBeLessThan(goneAt);
    const next = await waiting;
    expect(next.fencingToken).toBeGreaterThan(lock.fencingToken as bigint);
    expect(await lock.release()).toBe('lost');
    await next.release();
    await proxy.heal();
    // H76: the library's client would be dead now.
    await locks.using('partition', () => {});
  });

  it('H45, H67: a frozen server: the loss is signalled within the session time-out, and it works again afterwards', async () => {
    await using locks = createLocks(zookeeperAdapter({ servers: zookeeper.at, sessionTimeoutMs }));
    const lock = await locks.acquire('frozen');
    const loss = lossOf(lock);
    const frozenAt = performance.now();
    zookeeper.server.freeze();
    try {
      // The last answer came before the freeze. A stall of this process delays the signal, but not what the lock says of itself.
      let heldAt = 0;
      await until('the loss', () => {
        const now = performance.now();
        if (lock.remainingMs > 0) heldAt = now;
        return loss.at !== undefined;
      });
      expect(heldAt - frozenAt).toBeLessThan(sessionTimeoutMs);
      expect(lock.remainingMs).toBe(0);
    } finally {
      zookeeper.server.thaw();
    }
    const again = await locks.acquire('frozen');
    expect(again.fencingToken).toBeGreaterThan(lock.fencingToken as bigint);
    await again.release();
  });

  it('a freeze shorter than the session loses nothing', async () => {
    await using locks = createLocks(zookeeperAdapter({ servers: zookeeper.at, sessionTimeoutMs: 20_000 }));
    const lock = await locks.acquire('short-freeze', { ttlMs: 20_000 });
    zookeeper.server.freeze();
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    zookeeper.server.thaw();
    await lock.renew();
    expect(await lock.release()).toBe('released');
  });

  it('H67, H76: a session that is ended from outside: the hold is lost, the next acquire works', async () => {
    const { factory, clients } = rememberingFactory();
    await using locks = createLocks(
      zookeeperAdapter({ servers: zookeeper.at, sessionTimeoutMs, clientFactory: factory }),
    );
    const lock = await locks.acquire('expired', { ttlMs: 1_000 });
    const loss = lossOf(lock);
    await expire(zookeeper.at, clients.at(-1)!);
    await until('the loss', () => loss.at !== undefined);
    const again = await locks.acquire('expired');
    expect(again.fencingToken).toBeGreaterThan(lock.fencingToken as bigint);
    expect(await lock.release()).toBe('lost');
    expect(await again.release()).toBe('released');
  });

  it('H67: a waiter whose session ended queues anew, and is served', async () => {
    const { factory, clients } = rememberingFactory();
    await using locks = createLocks(
      zookeeperAdapter({ servers: zookeeper.at, sessionTimeoutMs, clientFactory: factory }),
    );
    await using others = createLocks(zookeeperAdapter({ servers: zookeeper.at, sessionTimeoutMs }));
    const lock = await others.acquire('waiter-expired');
    const waiting = locks.acquire('waiter-expired');
    await until('it is queued', async () => (await others.inspect('waiter-expired'))?.waiters === 1);
    await expire(zookeeper.at, clients.at(-1)!);
    await until('it is queued anew', async () => {
      const children = await zookeeper.raw.children('/locks/waiter-expired');
      const owners = await Promise.all(
        children.map((child) => zookeeper.raw.ownerOf(`/locks/waiter-expired/${child}`)),
      );
      return owners.includes(clients.at(-1)!.getSessionId().toString('hex'));
    });
    await lock.release();
    await (await waiting).release();
    expect(await zookeeper.raw.children('/locks/waiter-expired')).toEqual([]);
  });

  it('a connection that is cut: the same session goes on, and nothing is lost', async () => {
    await using proxy = await faultProxy(zookeeper.server);
    await using locks = createLocks(
      zookeeperAdapter({ servers: `${proxy.host}:${proxy.port}`, sessionTimeoutMs: 10_000 }),
    );
    const lock = await locks.acquire('cut');
    const path = await onlyNode('cut');
    const session = await zookeeper.raw.ownerOf(path);
    for (let i = 0; i < 5; i++) {
      proxy.cut();
      await lock.renew();
    }
    expect(await zookeeper.raw.ownerOf(path)).toBe(session);
    expect(await lock.release()).toBe('released');
  });
});
