import { setTimeout as sleep } from 'node:timers/promises';
import { memoryAdapter } from '@holdfast/adapter-memory';
import { createLocks } from '@holdfast/lock-core';
import { E_LOCK_NOT_OWNED, Verrou } from '@verrou/core';
import { memoryStore } from '@verrou/core/drivers/memory';
import { redisStore } from '@verrou/core/drivers/redis';
import type { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { startBench } from './support.ts';

const onRedis = (connection: Redis) =>
  new Verrou({ default: 'redis', stores: { redis: { driver: redisStore({ connection }) } } });

describe('from @verrou/core', () => {
  it('A busy lock', async () => {
    await using bench = await startBench();
    const verrou = onRedis(bench.redis);
    expect(await verrou.createLock('report').acquireImmediately()).toBe(true);
    expect(await verrou.createLock('report').acquireImmediately()).toBe(false);
    expect(await verrou.createLock('report').acquire({ retry: { attempts: 1 } })).toBe(false);
    expect(await verrou.createLock('report').runImmediately(async () => 1)).toEqual([false, null]);

    const locks = bench.locks();
    await using lock = await locks.acquire('report');
    expect(await locks.tryAcquire('report')).toBeUndefined();
    await expect(locks.using('report', { waitMs: 50, owner: locks.createOwner() }, () => 1)).rejects.toMatchObject({
      code: 'LOCK_TIMEOUT',
    });
    expect(lock.state).toBe('held');
  });

  it('Work that outlasts the TTL', async () => {
    await using bench = await startBench();
    const late = onRedis(bench.redis)
      .createLock('report', 200)
      .run(async () => {
        await sleep(400);
        return 'the result';
      });
    await expect(late).rejects.toBeInstanceOf(E_LOCK_NOT_OWNED);

    const locks = bench.locks({ ttlMs: 2_000 });
    const renewed = locks.using('report', async (lock) => {
      await sleep(3_000);
      return [lock.state, 'the result'];
    });
    expect(await renewed).toEqual(['held', 'the result']);
  });

  it('A release that comes too late', async () => {
    await using bench = await startBench();
    const lock = onRedis(bench.redis).createLock('report');
    await lock.acquire();
    await bench.redis.del('report');
    await expect(lock.release()).rejects.toBeInstanceOf(E_LOCK_NOT_OWNED);

    const own = await bench.locks().acquire('report');
    await bench.redis.del('lock:report');
    expect(await own.release()).toBe('lost');
  });

  it('The memory store, after a lock ran out', async () => {
    const verrou = new Verrou({ default: 'memory', stores: { memory: { driver: memoryStore() } } });
    const [first, second, third] = [0, 1, 2].map(() => verrou.createLock('report', 50));
    await first!.acquire();
    await sleep(100);
    const holder = verrou.createLock('report', 30_000);
    expect(await holder.acquireImmediately()).toBe(true);
    expect(await second!.acquireImmediately()).toBe(false);
    await first!.release(); // that of the holder, it turns out
    expect(await third!.acquireImmediately()).toBe(true);

    await using locks = createLocks(memoryAdapter());
    const early = await locks.acquire('report', { ttlMs: 50, autoRenew: false });
    await using later = await locks.acquire('report');
    expect(await early.release()).toBe('lost');
    expect(await locks.tryAcquire('report')).toBeUndefined();
    expect(later.state).toBe('held');
  });

  it('A TTL of 0, or NaN', async () => {
    await using bench = await startBench();
    for (const ttl of [0, Number.NaN]) {
      await onRedis(bench.redis).createLock(`ttl ${ttl}`, ttl).acquire();
      expect(await bench.redis.pttl(`ttl ${ttl}`)).toBe(-1);
      await expect(bench.locks().acquire('report', { ttlMs: ttl })).rejects.toMatchObject({
        code: 'LOCK_INVALID_ARGUMENT',
      });
    }
  });
});
