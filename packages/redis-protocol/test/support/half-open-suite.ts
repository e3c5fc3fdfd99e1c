import { createLocks, type Lock, type Locks, type LocksOptions } from '@holdfast/lock-core';
import { type RedisServer, startRedis, startRedisCluster, startRedisSentinel } from '@holdfast/testbed';
import { expect, it } from 'vitest';
import { type HalfOpenProxy, halfOpenProxy } from './half-open-proxy.ts';
import { newName, sleep, until } from './helpers.ts';
import { type ClientKit, single, type Target } from './kit.ts';

interface Deployment {
  readonly target: Target;
  readonly proxies: readonly HalfOpenProxy[];
  stop(): Promise<void>;
}

const stopWith = (proxies: readonly HalfOpenProxy[], servers: readonly RedisServer[]) => async () => {
  for (const proxy of proxies) await proxy.close();
  for (const server of servers) await server.stop();
};

async function startSingle(): Promise<Deployment> {
  const server = await startRedis();
  const proxy = await halfOpenProxy(server);
  return { target: single(proxy), proxies: [proxy], stop: stopWith([proxy], [server]) };
}

/** The sentinels name the proxy as the master. */
async function startSentinels(): Promise<Deployment> {
  const { master, sentinels, masterName, stop } = await startRedisSentinel();
  const proxy = await halfOpenProxy(master);
  for (const sentinel of sentinels) {
    await sentinel.command('SENTINEL', 'REMOVE', masterName);
    await sentinel.command('SENTINEL', 'MONITOR', masterName, proxy.host, proxy.port, 2);
  }
  const close = stopWith([proxy], []);
  return {
    target: { kind: 'sentinel', nodes: sentinels, masterName },
    proxies: [proxy],
    stop: () => close().then(stop),
  };
}

/** The nodes name the proxies as themselves. */
async function startCluster(): Promise<Deployment> {
  const { nodes, stop } = await startRedisCluster();
  const proxies = await Promise.all(nodes.map((node) => halfOpenProxy(node)));
  for (const [i, node] of nodes.entries()) {
    await node.command('CONFIG', 'SET', 'cluster-announce-port', proxies[i]!.port);
  }
  await until('all nodes name the proxies', async () => {
    const tables = await Promise.all(nodes.map((node) => node.command('CLUSTER', 'SLOTS')));
    return tables.every((table) => proxies.every(({ port }) => JSON.stringify(table).includes(String(port))));
  });
  const close = stopWith(proxies, []);
  return { target: { kind: 'cluster', nodes: proxies }, proxies, stop: () => close().then(stop) };
}

type Kind = 'single' | 'cluster' | 'sentinel';

const starts: Record<Kind, () => Promise<Deployment>> = {
  single: startSingle,
  cluster: startCluster,
  sentinel: startSentinels,
};

/** A waiter that was not told finds out by itself, about a second later. */
const notToldMs = 500;

/** Connections that have died without a sign, of clients that the adapter opens itself. */
export function halfOpenSuite(kit: ClientKit, kinds: readonly Kind[] = ['single', 'cluster', 'sentinel']): void {
  async function start(kind: Kind, onTestFinished: (close: () => Promise<void>) => void) {
    const { target, proxies, stop } = await starts[kind]();
    onTestFinished(stop);
    const open = (options?: LocksOptions): Locks => {
      const locks = createLocks(kit.open(target), { localRun: { count: 0 }, ...options });
      onTestFinished(() => locks.close());
      return locks;
    };
    const die = (which?: 'subscribers') => proxies.forEach((proxy) => void proxy.die(which));
    return { open, die, proxies };
  }

  /** Somebody waits for a lock that is held. */
  async function contended(
    holder: Locks,
    waiter: Locks,
    key = newName(),
  ): Promise<{ lock: Lock; next: Promise<Lock> }> {
    const lock = await holder.acquire(key);
    const next = waiter.acquire(lock.key);
    next.catch(() => {});
    await until('its place', async () => (await holder.inspect(lock.key))?.waiters === 1);
    return { lock, next };
  }

  it.concurrent.for(kinds)(
    `H66: all connections have died without a sign (%s, ${kit.name}): soon others work, and the hold and its waiter are still there`,
    { timeout: 60_000 },
    async (kind, { onTestFinished }) => {
      const { open, die } = await start(kind, onTestFinished);
      const [one, two] = [open(), open()];
      const { lock, next } = await contended(one, two);
      die();
      // Within the ten seconds for which an answer is waited for, where TCP would take minutes.
      const fresh = await one.acquire(newName());
      expect(await fresh.release()).toBe('released');
      expect(await lock.release()).toBe('released');
      expect(await (await next).release()).toBe('released');
      die();
      const before = performance.now();
      await Promise.all([one.close(), two.close()]);
      expect(performance.now() - before).toBeLessThan(5_000);
    },
  );

  // node-redis does not show the connection by which its sentinel client subscribes.
  it.concurrent.for(kinds.filter((kind) => kind !== 'sentinel' || kit.name.startsWith('ioredis')))(
    `H66: the subscriptions have died without a sign (%s, ${kit.name}): waiters are told again`,
    { timeout: 60_000 },
    async (kind, { onTestFinished }) => {
      const { open, die } = await start(kind, onTestFinished);
      const [one, two] = [open(), open()];
      const key = newName();
      const handOver = async (): Promise<number> => {
        const { lock, next } = await contended(one, two, key);
        await sleep(20);
        const releasedAt = performance.now();
        await lock.release();
        await (await next).release();
        return performance.now() - releasedAt;
      };
      await handOver();
      die('subscribers');
      expect(await handOver()).toBeGreaterThan(notToldMs);
      await until('a waiter that is told', async () => (await handOver()) < notToldMs);
    },
  );

  it.concurrent(`a connection that works is kept, however long nobody uses it (${kit.name})`, {
    timeout: 60_000,
  }, async ({ onTestFinished }) => {
    const { open, proxies } = await start('single', onTestFinished);
    const [one, two] = [open(), open()];
    const { lock, next } = await contended(one, two);
    await lock.release();
    await (await next).release();
    const { accepted } = proxies[0]!;
    await sleep(6_000);
    const again = await contended(one, two);
    await sleep(9_000);
    await again.lock.release();
    await (await again.next).release();
    expect(proxies[0]!.accepted).toBe(accepted);
  });

  it.concurrent(`H66: a connection that is made and says nothing is given up as well (${kit.name})`, {
    timeout: 60_000,
  }, async ({ onTestFinished }) => {
    const { open, die, proxies } = await start('single', onTestFinished);
    const locks = open({ backendTimeoutMs: 30_000 });
    await (await locks.acquire(newName())).release();
    die();
    proxies[0]!.muteNext();
    expect((await locks.acquire(newName())).state).toBe('held');
  });

  it.concurrent(`connections that are accepted and closed at once: the next one that works is used, and kept (${kit.name})`, async ({
    onTestFinished,
  }) => {
    const { open, proxies } = await start('single', onTestFinished);
    const locks = open({ backendTimeoutMs: 15_000 });
    const lock = await locks.acquire(newName());
    // One request has no answer when the connection breaks.
    proxies[0]!.die();
    const asked = locks.inspect(lock.key).catch(() => {});
    await sleep(100);
    proxies[0]!.refuse();
    await sleep(1_500);
    proxies[0]!.refuse(false);
    await asked;
    await (await locks.acquire(newName())).release();
    const { accepted } = proxies[0]!;
    await sleep(6_000);
    await (await locks.acquire(newName())).release();
    expect(proxies[0]!.accepted).toBe(accepted);
  });
}
