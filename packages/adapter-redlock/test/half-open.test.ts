import { createLocks } from '@holdfast/lock-core';
import { startRedisNodes } from '@holdfast/testbed';
import { expect, it, onTestFinished } from 'vitest';
import { halfOpenProxy } from '../../redis-protocol/test/support/half-open-proxy.ts';
import { newName, sleep, until } from '../../redis-protocol/test/support/helpers.ts';
import { openRedlock } from '../src/index.ts';

it.each(['ioredis', 'node-redis'] as const)(
  'H66: the connections to all nodes have died without a sign (%s): soon others work, and the hold and its waiter are still there',
  { timeout: 60_000 },
  async (client) => {
    const group = await startRedisNodes(3);
    onTestFinished(() => group.stop());
    const proxies = await Promise.all(group.nodes.map((node) => halfOpenProxy(node)));
    onTestFinished(async () => {
      for (const proxy of proxies) await proxy.close();
    });
    const open = async () => {
      const locks = createLocks(await openRedlock({ nodes: proxies, client }));
      onTestFinished(() => locks.close());
      return locks;
    };
    const [one, two] = [await open(), await open()];
    const lock = await one.acquire(newName());
    let isServed = false;
    const next = two.acquire(lock.key).finally(() => {
      isServed = true;
    });
    next.catch(() => {});
    await sleep(200);
    for (const proxy of proxies) proxy.die();
    const fresh = await one.acquire(newName());
    expect(await fresh.release()).toBe('released');
    expect(lock.state).toBe('held');
    expect(isServed).toBe(false);
    expect(await lock.release()).toBe('released');
    await until('the waiter is served', () => isServed);
    expect(await (await next).release()).toBe('released');
  },
);
