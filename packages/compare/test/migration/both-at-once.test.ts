import { redlockAdapter } from '@holdfast/adapter-redlock';
import { createLocks } from '@holdfast/lock-core';
import { startRedisNodes } from '@holdfast/testbed';
import { Verrou } from '@verrou/core';
import { redisStore } from '@verrou/core/drivers/redis';
import { Redis } from 'ioredis';
import { Mutex } from 'redis-semaphore';
import { describe, expect, it } from 'vitest';
import { Redlock } from '../../src/competitors-conformance/redlock-package.ts';
import { startBench } from './support.ts';

/** One attempt, and how to give the lock back. */
type Take = (redis: readonly Redis[]) => Promise<(() => Promise<unknown>) | undefined>;

const unlessBusy = <T>(taken: Promise<T>): Promise<T | undefined> => taken.catch(() => undefined);

const redlock: Take = async (clients) => {
  const lock = await unlessBusy(new Redlock(clients, { retryCount: 0 }).acquire(['locks:report'], 30_000));
  return lock && (() => lock.release());
};

const libraries: { name: string; prefix: string; take: Take }[] = [
  { name: 'redlock', prefix: 'locks:', take: redlock },
  {
    name: 'redis-semaphore',
    prefix: 'mutex:',
    take: async ([redis]) => {
      const mutex = new Mutex(redis!, 'report', { acquireAttemptsLimit: 1 });
      return (await mutex.tryAcquire()) ? () => mutex.release() : undefined;
    },
  },
  {
    name: '@verrou/core',
    prefix: 'locks:',
    take: async ([connection]) => {
      const stores = { redis: { driver: redisStore({ connection: connection! }) } };
      const lock = new Verrou({ default: 'redis', stores }).createLock('locks:report');
      return (await lock.acquireImmediately()) ? () => lock.release() : undefined;
    },
  },
];

describe('old and new at the same time', () => {
  it.each(libraries)('$name and Holdfast exclude each other on one Redis', async ({ prefix, take }) => {
    await using bench = await startBench();
    const locks = bench.locks({}, prefix);

    const release = await take([bench.redis]);
    expect(release).toBeDefined();
    expect(await locks.tryAcquire('report')).toBeUndefined();
    const waiter = locks.acquire('report', { waitMs: 20_000 });
    await release!();

    const lock = await waiter;
    expect(await take([bench.redis])).toBeUndefined();
    expect(await lock.release()).toBe('released');
    await (await take([bench.redis]))!();
  });

  it('redlock and Holdfast exclude each other on three nodes', async () => {
    await using group = await startRedisNodes(3);
    const clients = group.nodes.map(({ host, port }) => new Redis({ host, port }));
    {
      await using locks = createLocks(redlockAdapter(clients, { prefix: 'locks:' }));
      const release = await redlock(clients);
      expect(release).toBeDefined();
      expect(await locks.tryAcquire('report')).toBeUndefined();
      await release!();

      const lock = await locks.acquire('report', { waitMs: 20_000 });
      expect(await redlock(clients)).toBeUndefined();
      await lock.release();
      // Its release is answered by a majority; the last node may be a moment later.
      await expect.poll(async () => (await redlock(clients)) !== undefined, { timeout: 20_000 }).toBe(true);
    }
    for (const client of clients) client.disconnect();
  });
});
