import { type FaultProxy, faultProxy } from '@holdfast/conformance/faults';
import { createLocks, type Locks, type LocksOptions } from '@holdfast/lock-core';
import { type RedisServer, startRedis } from '@holdfast/testbed';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { attempt, grant, lockError, newName, sleep, until } from './helpers.ts';
import { type ClientKit, single, type TestClient } from './kit.ts';

/** What a lock does when the server or the way to it fails; each test has a server and a proxy before it. */
export function faultSuite(kits: readonly ClientKit[]): void {
  describe.each(kits)('$name', (kit) => {
    let server: RedisServer;
    let proxy: FaultProxy;
    const opened: { close(): Promise<void> }[] = [];

    beforeAll(async () => {
      server = await startRedis();
    });
    afterAll(() => server?.stop());
    beforeEach(async () => {
      proxy = await faultProxy(server);
    });
    afterEach(async () => {
      server.thaw();
      await proxy.heal();
      for (const one of opened.splice(0).reverse()) await one.close();
      await proxy.close();
    });

    function connect(to: { host: string; port: number } = proxy): TestClient {
      const client = kit.connect(single(to));
      opened.push(client);
      return client;
    }

    function locksOver(client: TestClient, options?: LocksOptions): Locks {
      const locks = createLocks(client.adapter(), { ttlMs: 3_000, ...options });
      opened.push(locks);
      return locks;
    }

    const exists = async (key: string) => (await server.command('EXISTS', `lock:${key}`)) === 1;
    const mentions = (key: string) => (request: Buffer) => request.includes(`lock:${key}`);

    /** Has the client connected, and the scripts cached, so that the next request does its work and is not answered NOSCRIPT. */
    async function warm(locks: Locks): Promise<void> {
      // On a busy machine that may take longer than the patience of these locks.
      const lock = await until('the client is connected', () => locks.acquire(newName('warm')).catch(() => undefined));
      await lock.release();
    }

    it('H12, H13: the reply to the acquisition is swallowed and the connection reset: acquired, and held alone', async () => {
      const locks = locksOver(connect());
      await warm(locks);
      const key = newName();
      const swallowed = proxy.swallowReplies({ match: mentions(key), thenCut: true });
      const lock = await locks.acquire(key, { ttlMs: 60_000 });
      await swallowed;
      expect(lock.state).toBe('held');
      expect(await connect(server).adapter().tryAcquire(attempt(key))).toMatchObject({ status: 'busy' });
      expect(await lock.release()).toBe('released');
      expect(await exists(key)).toBe(false);
    });

    it('a server that has no memory left still renews and releases what is held', async () => {
      const adapter = connect(server).adapter();
      const request = attempt(newName());
      await grant(adapter, request);
      await server.command('CONFIG', 'SET', 'maxmemory', '1');
      try {
        expect(await adapter.renew(request, 20_000)).toMatchObject({ status: 'renewed' });
        expect(await server.command('PTTL', `lock:${request.key}`)).toBeGreaterThan(15_000);
        expect(await adapter.release(request)).toBe('released');
      } finally {
        await server.command('CONFIG', 'SET', 'maxmemory', '0');
      }
    });

    it('H14: the reply to the release is swallowed and the connection reset: never "lost", and the key is free', async () => {
      const locks = locksOver(connect());
      const lock = await locks.acquire(newName());
      const swallowed = proxy.swallowReplies({ match: mentions(lock.key), thenCut: true });
      expect(await lock.release()).toBe('released');
      await swallowed;
      expect(await exists(lock.key)).toBe(false);
    });

    it('H14: a release that the client may have sent twice is unknown, not "not-held"', async () => {
      const adapter = connect().adapter();
      const request = attempt(newName(), { ttlMs: 60_000 });
      await grant(adapter, request);
      await adapter.release(attempt(newName()));
      const swallowed = proxy.swallowReplies({ match: mentions(request.key), thenCut: true });
      await expect(adapter.release(request)).rejects.toThrow();
      await swallowed;
      expect(await exists(request.key)).toBe(false);
      expect(await adapter.release(request)).toBe('not-held');
    });

    it('H45: the server is stopped for longer than the TTL: the loss is told before the key can be taken', async () => {
      const locks = locksOver(connect());
      const lock = await locks.acquire(newName(), { ttlMs: 1_000 });
      server.freeze();
      await until('the loss', () => lock.signal.aborted);
      expect(lock.state).toBe('lost');
      expect(lock.signal.reason).toEqual(lockError('LOCK_LOST'));
      // Only now can the server give it to anybody.
      server.thaw();
      const next = await locksOver(connect(server)).acquire(lock.key);
      expect(next.fencingToken).toBeGreaterThan(lock.fencingToken!);
    });

    it('H47: replies come 0.8 TTL late: the lease counts from the send', async () => {
      const ttlMs = 3_000;
      const locks = locksOver(connect(), { attemptTimeoutMs: 2_900 });
      await warm(locks);
      proxy.delay(0.8 * ttlMs, 'to-client');
      const sentAfter = performance.now();
      const lock = await locks.acquire(newName(), { ttlMs, autoRenew: false });
      const { remainingMs } = lock;
      expect(remainingMs).toBeLessThanOrEqual(sentAfter + ttlMs - performance.now() + 1);
      expect(performance.now() - sentAfter).toBeGreaterThan(0.7 * ttlMs);
      proxy.delay(0);
    });

    it('H11: CLIENT PAUSE past the attempt time-out: LOCK_BACKEND, and no orphan afterwards', async () => {
      const locks = locksOver(connect(), { backendTimeoutMs: 400, attemptTimeoutMs: 150 });
      await warm(locks);
      const key = newName();
      await server.command('CLIENT', 'PAUSE', 20_000, 'WRITE');
      await expect(locks.acquire(key, { ttlMs: 60_000 })).rejects.toEqual(lockError('LOCK_BACKEND'));
      await server.command('CONFIG', 'RESETSTAT');
      await server.command('CLIENT', 'UNPAUSE');
      // Closing waits for the clean-up.
      await locks.close();
      expect(String(await server.command('INFO', 'commandstats'))).toMatch(/^cmdstat_set:/m);
      expect(await exists(key)).toBe(false);
    });

    it('H27: the server is down at the start and comes up too late: nothing is ever sent', async () => {
      proxy.refuse();
      const locks = locksOver(connect(), { backendTimeoutMs: 300 });
      const key = newName();
      await expect(locks.acquire(key, { ttlMs: 60_000 })).rejects.toEqual(lockError('LOCK_BACKEND'));
      await server.command('CONFIG', 'RESETSTAT');
      await proxy.heal();
      await locks.close();
      const stats = String(await server.command('INFO', 'commandstats'));
      expect(stats).not.toMatch(/^cmdstat_set:/m);
      expect(await exists(key)).toBe(false);
    });

    it('H27: the server is down at the start and comes up in time: acquired', async () => {
      proxy.refuse();
      const acquiring = locksOver(connect()).acquire(newName(), { ttlMs: 2_000 });
      await sleep(300);
      await proxy.heal();
      expect((await acquiring).state).toBe('held');
    });

    it('H20: the server is killed and comes back empty: the loss is noticed by a renewal, before the lease ends', async () => {
      const locks = locksOver(connect(server));
      const lock = await locks.acquire(newName(), { ttlMs: 9_000 });
      await server.kill();
      await server.restart({ empty: true });
      const before = performance.now();
      await until('the loss', () => lock.signal.aborted);
      expect(performance.now() - before).toBeLessThan(9_000);
      expect(lock.state).toBe('lost');
      expect((await locks.acquire(lock.key)).fencingToken).toBeGreaterThan(lock.fencingToken!);
    });

    it('H11: a silent partition during the acquisition: no orphan when it is over', async () => {
      const locks = locksOver(connect(), { backendTimeoutMs: 400, attemptTimeoutMs: 150 });
      await warm(locks);
      const key = newName();
      proxy.hold('to-client');
      await expect(locks.acquire(key, { ttlMs: 60_000 })).rejects.toEqual(lockError('LOCK_BACKEND'));
      await proxy.heal();
      await locks.close();
      expect(await exists(key)).toBe(false);
    });

    it('H51: a cut connection in between costs no lock', async () => {
      const lock = await locksOver(connect()).acquire(newName(), { ttlMs: 3_000 });
      const end = performance.now() + 4_000;
      while (performance.now() < end) {
        proxy.cut();
        await sleep(900);
      }
      expect(lock.state).toBe('held');
      expect(await lock.release()).toBe('released');
    });

    it('H9: a TTL of 30 days: nothing is sent for it, and it is released', async () => {
      const locks = locksOver(connect(server));
      const lock = await locks.acquire(newName(), { ttlMs: 30 * 24 * 3_600_000 });
      await server.command('CONFIG', 'RESETSTAT');
      await sleep(1_000);
      expect(String(await server.command('INFO', 'commandstats'))).not.toMatch(/^cmdstat_(evalsha|eval|set):/m);
      expect(lock.remainingMs).toBeGreaterThan(29 * 24 * 3_600_000);
      expect(await lock.release()).toBe('released');
    });
  });
}
