import { setTimeout as sleep } from 'node:timers/promises';
import { redlockAdapter } from '@holdfast/adapter-redlock';
import { createLocks, isLockError } from '@holdfast/lock-core';
import { faultProxy, startRedis, startRedisNodes } from '@holdfast/testbed';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { ExecutionError, Redlock } from '../../src/competitors-conformance/redlock-package.ts';
import { commandsOf, eventually, startBench } from './support.ts';

const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('from redlock', () => {
  it('A busy lock', async () => {
    await using bench = await startBench();
    const redlock = new Redlock([bench.redis], { retryCount: 2, retryDelay: 20, retryJitter: 0 });
    const held = await redlock.acquire(['report'], 30_000);
    expect(await rejection(redlock.acquire(['report'], 30_000))).toBeInstanceOf(ExecutionError);
    const closed = new Redis({ port: 1, maxRetriesPerRequest: 0, lazyConnect: true });
    closed.on('error', () => {});
    const none = new Redlock([closed], { retryCount: 0 });
    expect(await rejection(none.acquire(['report'], 30_000))).toBeInstanceOf(ExecutionError);
    closed.disconnect();
    await held.release();

    const locks = bench.locks({ backendTimeoutMs: 500 });
    const lock = await locks.acquire('report');
    expect(await locks.tryAcquire('report')).toBeUndefined();
    expect(isLockError(await rejection(locks.acquire('report', { waitMs: 50 })), 'LOCK_TIMEOUT')).toBe(true);
    await lock.release();
    bench.server.freeze();
    expect(isLockError(await rejection(locks.tryAcquire('other')), 'LOCK_BACKEND')).toBe(true);
    bench.server.thaw();
  });

  it('Waiting', async () => {
    await using bench = await startBench();
    const redlock = new Redlock([bench.redis], { retryCount: -1, retryDelay: 10, retryJitter: 0 });
    const held = await redlock.acquire(['report'], 30_000);
    const next = redlock.acquire(['report'], 30_000);
    const asked = await commandsOf(bench.server, 'evalsha');
    await eventually(async () => (await commandsOf(bench.server, 'evalsha')) > asked + 20);
    await held.release();
    await (await next).release();

    const [one, other] = [bench.locks(), bench.locks()];
    const lock = await one.acquire('report');
    const waiter = other.acquire('report');
    await eventually(async () => (await commandsOf(bench.server, 'subscribe')) > 0);
    const before = await commandsOf(bench.server, 'evalsha');
    const since = performance.now();
    await sleep(1_000);
    const seconds = (performance.now() - since) / 1_000;
    // A look after the subscription, and one in each second; renewals need none yet.
    expect((await commandsOf(bench.server, 'evalsha')) - before).toBeLessThan(5 + 2 * seconds);
    await lock.release();
    await (await waiter).release();
  });

  it('`acquire` without `using`', async () => {
    await using bench = await startBench();
    await new Redlock([bench.redis], { retryCount: 0 }).acquire(['report'], 300);
    await eventually(async () => (await bench.redis.exists('report')) === 0);

    const lock = await bench.locks({ ttlMs: 2_000 }).acquire('report');
    await sleep(3_000);
    expect(lock.state).toBe('held');
    expect(await bench.redis.exists('lock:report')).toBe(1);
  });

  it('The lock ran out before its release', async () => {
    await using bench = await startBench();
    const redlock = new Redlock([bench.redis], { retryCount: 0 });
    const early = await redlock.acquire(['report'], 30_000);
    await bench.redis.del('report');
    expect(await rejection(early.release())).toBeInstanceOf(ExecutionError);
    const using = redlock.using(['report'], 30_000, { automaticExtensionThreshold: 500 }, async () => {
      await bench.redis.del('report');
      return 'the result';
    });
    expect(await rejection(using)).toBeInstanceOf(ExecutionError);

    const locks = bench.locks();
    const lock = await locks.acquire('report');
    await bench.redis.del('lock:report');
    expect(await lock.release()).toBe('lost');
    const body = locks.using('report', async () => {
      await bench.redis.del('lock:report');
      return 'the result';
    });
    expect(await body).toBe('the result');
  });

  it('Answers slower than the lease', async () => {
    const server = await startRedis();
    await using proxy = await faultProxy(server);
    await using bench = await startBench({ server, host: proxy.host, port: proxy.port });
    const redlock = new Redlock([bench.redis], { retryCount: 0 });
    await bench.redis.ping();
    proxy.delay(300, 'to-client');
    expect((await redlock.acquire(['report'], 200)).expiration).toBeLessThan(Date.now());

    const locks = bench.locks({ ttlMs: 200, backendTimeoutMs: 1_000 });
    expect(isLockError(await rejection(locks.acquire('report')), 'LOCK_BACKEND')).toBe(true);
    proxy.delay(0);
  });

  it('A split vote', async () => {
    await using group = await startRedisNodes(2);
    const clients = group.nodes.map(({ host, port }) => new Redis({ host, port }));
    await clients[1]!.set('report', 'another');
    await clients[1]!.set('lock:report', 'another');
    let settled = false;
    const note = () => {
      settled = true;
    };
    void new Redlock(clients, { retryCount: 0 }).acquire(['report'], 1_000).then(note, note);

    await using locks = createLocks(redlockAdapter(clients));
    const refused = await rejection(locks.acquire('report', { waitMs: 2_000 }));
    expect(isLockError(refused, 'LOCK_TIMEOUT')).toBe(true);
    // The other was asked before, once, and has no answer yet.
    expect(settled).toBe(false);
    for (const client of clients) client.disconnect();
  });

  it('Several resources', async () => {
    await using bench = await startBench();
    const redlock = new Redlock([bench.redis], { retryCount: 0 });
    const both = await redlock.acquire(['ann', 'ben'], 30_000);
    expect(await bench.redis.exists('ann', 'ben')).toBe(2);
    await both.release();

    const locks = bench.locks();
    await locks.usingAll(['ben', 'ann'], async ({ locks: [ann, ben] }) => {
      expect(await bench.redis.exists('lock:ann', 'lock:ben')).toBe(2);
      expect([ann?.key, ben?.key]).toEqual(['ann', 'ben']);
      await expect(redlock.acquire(['lock:ben', 'other'], 1_000)).rejects.toThrow();
      const other = { owner: locks.createOwner() };
      expect(await locks.tryAcquireAll(['cat', 'ben'], other)).toBeUndefined();
      expect(await bench.redis.exists('lock:cat')).toBe(0);
    });
    expect(await bench.redis.exists('lock:ann', 'lock:ben')).toBe(0);
  });
});
