import { setTimeout as sleep } from 'node:timers/promises';
import { faultProxy, startRedis } from '@holdfast/testbed';
import { LostLockError, Mutex } from 'redis-semaphore';
import { describe, expect, it } from 'vitest';
import { commandsOf, eventually, program, startBench } from './support.ts';

describe('from redis-semaphore', () => {
  it('The lock was lost', async () => {
    await using bench = await startBench();
    const REDIS_PORT = String(bench.server.port);
    const before = await program(
      `import { Redis } from 'ioredis';
       import { Mutex } from 'redis-semaphore';
       const redis = new Redis(Number(process.env.REDIS_PORT));
       const mutex = new Mutex(redis, 'report', { lockTimeout: 5_000, refreshInterval: 50 });
       await mutex.acquire();
       await redis.del('mutex:report');
       setTimeout(() => process.exit(0), 30_000);`,
      { REDIS_PORT },
    );
    expect(before.code).not.toBe(0);
    expect(before.output).toContain(LostLockError.name);

    const lock = await bench.locks({ ttlMs: 300 }).acquire('report');
    await bench.redis.del('lock:report');
    await eventually(() => lock.signal.aborted);
    expect([lock.state, await lock.release()]).toEqual(['lost', 'lost']);
  });

  it('A renewal without an answer', async () => {
    await using bench = await startBench();
    let told = 0;
    const onLockLost = () => {
      told += 1;
    };
    const mutex = new Mutex(bench.redis, 'report', { lockTimeout: 600, refreshInterval: 200, onLockLost });
    await mutex.acquire();
    const lock = await bench.locks({ ttlMs: 600 }).acquire('report');
    bench.server.freeze();
    await eventually(() => lock.signal.aborted);
    await sleep(1_800); // three leases
    expect({ told, isAcquired: mutex.isAcquired }).toEqual({ told: 0, isAcquired: true });
    bench.server.thaw();
    mutex.stopRefresh();
  });

  it('A renewal that fails', async () => {
    await using bench = await startBench();
    const before = program(
      `import { Redis } from 'ioredis';
       import { Mutex } from 'redis-semaphore';
       const redis = new Redis({ port: Number(process.env.REDIS_PORT), commandTimeout: 300 });
       redis.on('error', () => {});
       const mutex = new Mutex(redis, 'report', { lockTimeout: 60_000, refreshInterval: 50, onLockLost() {} });
       await mutex.acquire();
       await redis.call('CLIENT', 'PAUSE', '5000');
       setTimeout(() => process.exit(0), 30_000);`,
      { REDIS_PORT: String(bench.server.port) },
    );
    expect((await before).code).not.toBe(0);

    const lock = await bench.locks({ ttlMs: 30_000, attemptTimeoutMs: 100 }).acquire('other');
    await bench.server.command('CLIENT', 'PAUSE', '1000');
    await expect(lock.renew()).resolves.toBeUndefined();
    expect(lock.state).toBe('held');
  });

  it('`tryAcquire`', async () => {
    await using bench = await startBench();
    const held = new Mutex(bench.redis, 'report');
    await held.acquire();
    const before = performance.now();
    expect(await new Mutex(bench.redis, 'report', { acquireTimeout: 500 }).tryAcquire()).toBe(false);
    expect(performance.now() - before).toBeGreaterThan(450);
    const asked = await commandsOf(bench.server, 'set');
    expect(await new Mutex(bench.redis, 'report', { acquireAttemptsLimit: 1 }).tryAcquire()).toBe(false);
    expect(await commandsOf(bench.server, 'set')).toBe(asked + 1);
    await held.release();

    const [one, other] = [bench.locks(), bench.locks()];
    await using lock = await one.acquire('report');
    const scripts = await commandsOf(bench.server, 'evalsha');
    expect(await other.tryAcquire('report')).toBeUndefined();
    expect(await commandsOf(bench.server, 'evalsha')).toBe(scripts + 1);
    expect(lock.state).toBe('held');
  });

  it('Waiting', async () => {
    await using bench = await startBench();
    const held = new Mutex(bench.redis, 'report');
    await held.acquire();
    const next = new Mutex(bench.redis, 'report');
    const taken = next.acquire();
    const asked = await commandsOf(bench.server, 'set');
    await eventually(async () => (await commandsOf(bench.server, 'set')) > asked + 20);
    await held.release();
    await taken;
    await next.release();
    // How often Holdfast asks while it waits is counted beside redlock.
  });

  it('A lost answer', async () => {
    const server = await startRedis();
    await using proxy = await faultProxy(server);
    await using bench = await startBench({ server, host: proxy.host, port: proxy.port }, { commandTimeout: 1_000 });
    await bench.redis.ping();
    const swallowed = proxy.swallowReplies();
    await expect(new Mutex(bench.redis, 'report', { lockTimeout: 60_000 }).acquire()).rejects.toThrow();
    await swallowed;
    await proxy.heal();
    expect(Number(await server.command('PTTL', 'mutex:report'))).toBeGreaterThan(30_000);

    const locks = bench.locks({ ttlMs: 60_000, attemptTimeoutMs: 500, backendTimeoutMs: 1_000 });
    await locks.using('warm', () => {});
    const again = proxy.swallowReplies();
    await expect(locks.acquire('report')).rejects.toMatchObject({ code: 'LOCK_BACKEND' });
    await again;
    await proxy.heal();
    await eventually(async () => (await server.command('EXISTS', 'lock:report')) === 0);
  });
});
