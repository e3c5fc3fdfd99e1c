import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AcquireAttempt, Granted, LockAdapter } from '@holdfast/lock-core';
import { faultProxy, type RedisServer, startRedis } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attempt, grant, lockError, newName, until } from './helpers.ts';
import { type ClientKit, single, type TestClient } from './kit.ts';

/** A waiter in the hands of a test. */
interface Waiter {
  readonly request: AcquireAttempt;
  /** Withdraws the place. */
  leave(): void;
  readonly granted: Promise<Granted>;
}

/** The queue of the server: order, the claims, and what becomes of those who are no more. */
export function queueSuite(kits: readonly ClientKit[]): void {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server?.stop());

  describe.each(kits)('$name', (kit) => {
    let client: TestClient;
    let other: TestClient;
    beforeAll(() => {
      client = kit.connect(single(server));
      other = kit.connect(single(server));
    });
    afterAll(async () => {
      await client.close();
      await other.close();
    });

    /** Takes a place; resolves when the server has confirmed it. */
    async function queue(adapter: LockAdapter, key: string, claim?: AcquireAttempt['claim']): Promise<Waiter> {
      const withdrawal = new AbortController();
      let confirm = (): void => {};
      const queued = new Promise<void>((resolve) => {
        confirm = resolve;
      });
      const request = attempt(key, { ttlMs: 30_000, claim, onQueued: () => confirm() });
      const granted = adapter.enqueue!(request, withdrawal.signal);
      granted.catch(() => {});
      await Promise.race([queued, granted]);
      return { request, granted, leave: () => withdrawal.abort(new Error('no longer')) };
    }
    const holders = async (adapter: LockAdapter, key: string) => (await adapter.inspect?.(key))?.holders ?? 0;
    const leftovers = async () =>
      ((await server.command('KEYS', '*')) as string[]).filter((key) => /^(lock:|fence:(queue|places):)/.test(key));

    it('waiters of several clients are granted in the order in which they came, by two calls each', async () => {
      const adapters = [client.adapter(), other.adapter(), client.adapter()];
      const key = newName();
      const first = attempt(key, { ttlMs: 60_000 });
      await grant(adapters[0]!, first);
      const waiters: (Waiter & { adapter: LockAdapter })[] = [];
      for (let i = 0; i < 9; i += 1) {
        const adapter = adapters[i % 3]!;
        waiters.push({ adapter, ...(await queue(adapter, key)) });
      }
      // The subscriptions stand.
      await until(
        'a beat',
        async () => ((await server.command('PUBSUB', 'NUMSUB', `lock:${key}`)) as unknown[])[1] === 3,
      );
      const order: number[] = [];
      for (const [i, { granted }] of waiters.entries()) void granted.then(() => order.push(i));
      await server.command('CONFIG', 'RESETSTAT');
      let token = 0n;
      let before: { adapter: LockAdapter; request: AcquireAttempt } = { adapter: adapters[0]!, request: first };
      for (const waiter of waiters) {
        expect(await before.adapter.release(before.request)).toBe('released');
        const { fencingToken } = await waiter.granted;
        expect(fencingToken).toBeGreaterThan(token);
        token = fencingToken!;
        before = waiter;
      }
      expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
      const calls = Number(
        /cmdstat_evalsha:calls=(\d+)/.exec(String(await server.command('INFO', 'commandstats')))?.[1],
      );
      // And now and then a beat.
      expect(calls).toBeLessThanOrEqual(2 * 9 + 6);
      expect(await before.adapter.release(before.request)).toBe('released');
      expect(await leftovers()).toEqual([]);
      for (const adapter of adapters) await adapter.close?.();
    });

    it('a newcomer does not overtake, also where the lock is free for a moment; a foreign SET NX may, and excludes', async () => {
      const adapter = client.adapter();
      const key = newName();
      const holder = attempt(key, { ttlMs: 60_000 });
      await grant(adapter, holder);
      const waiter = await queue(adapter, key);
      await server.command('DEL', `lock:${key}`);
      const foreign = await server.command('SET', `lock:${key}`, 'foreign', 'NX', 'PX', '60000');
      if (foreign === 'OK') {
        expect(await other.adapter().tryAcquire(attempt(key))).toMatchObject({ status: 'busy' });
        await server.command('DEL', `lock:${key}`);
      }
      expect(await other.adapter().tryAcquire(attempt(key))).toMatchObject({ status: 'busy' });
      await waiter.granted;
      expect(await server.command('GET', `lock:${key}`)).toBe(waiter.request.owner);
      await adapter.release(waiter.request);
      await adapter.close?.();
    });

    it('H106: a place that is given up does not come back by a beat on its way, for which the server does not know the script', async () => {
      await using proxy = await faultProxy(server);
      const slow = kit.connect(single(proxy));
      const adapter = slow.adapter();
      const near = client.adapter();
      const key = newName();
      const holder = attempt(key, { ttlMs: 60_000 });
      await grant(near, holder);
      const waiter = await queue(adapter, key);
      proxy.hold('to-client');
      // Then the server knows the script of releases, and not that of beats.
      await server.command('SCRIPT', 'FLUSH');
      await server.command('CONFIG', 'RESETSTAT');
      const some = attempt(newName());
      await grant(near, some);
      await near.release(some);
      const refused = async () => String(await server.command('INFO', 'errorstats'));
      await until('a beat has come', async () => /NOSCRIPT:count=[3-9]/.test(await refused()));
      waiter.leave();
      await nextTurn();
      await proxy.heal();
      await expect(waiter.granted).rejects.toThrow('no longer');
      // On the same connection, behind all that was sent.
      expect(await slow.works()).toBe(true);
      expect(await near.inspect!(key)).toMatchObject({ waiters: 0 });
      await near.release(holder);
      await adapter.close?.();
      await slow.close();
    });

    it('a place that is given up is nobody any more; the next one is granted', async () => {
      const adapter = client.adapter();
      const key = newName();
      const holder = attempt(key, { ttlMs: 60_000 });
      await grant(adapter, holder);
      const [first, second] = [await queue(adapter, key), await queue(adapter, key)];
      first.leave();
      await expect(first.granted).rejects.toThrow('no longer');
      expect((await adapter.inspect?.(key))?.waiters).toBe(1);
      expect(await adapter.release(holder)).toBe('released');
      await second.granted;
      expect(await adapter.release(second.request)).toBe('released');
      expect(await leftovers()).toEqual([]);
      await adapter.close?.();
    });

    it('places that the server has lost are restored in their order (failover, eviction)', async () => {
      const [adapter, far] = [client.adapter(), other.adapter()];
      const key = newName();
      const holder = attempt(key, { ttlMs: 60_000 });
      await grant(adapter, holder);
      const [first, second] = [await queue(adapter, key), await queue(far, key)];
      const order: string[] = [];
      void first.granted.then(() => order.push('first'));
      void second.granted.then(() => order.push('second'));
      await server.command('DEL', `fence:queue:{lock:${key}}`, `fence:places:{lock:${key}}`);
      await until('both are restored', async () => (await adapter.inspect?.(key))?.waiters === 2);
      expect(await far.release(holder)).toBe('released');
      await first.granted;
      await adapter.release(first.request);
      await second.granted;
      expect(order).toEqual(['first', 'second']);
      await far.release(second.request);
      for (const each of [adapter, far]) await each.close?.();
    });

    it('where the holders are forgotten nobody holds the key beside them, and their permits come back', async () => {
      const [adapter, far] = [client.adapter(), other.adapter()];
      for (const claim of [{ mode: 'shared' }, { mode: 'permits', permits: 2, limit: 3 }] as const) {
        const key = newName();
        const forgotten = attempt(key, { claim, ttlMs: 1_500 });
        const sentAt = performance.now();
        await grant(adapter, forgotten);
        await server.command('DEL', `fence:queue:{lock:${key}}`);
        const one = claim.mode === 'shared' ? claim : { ...claim, permits: 1 };
        expect(await far.tryAcquire(attempt(key, { claim: one }))).toMatchObject({ status: 'busy' });
        const next = await queue(far, key, one);
        await next.granted;
        expect(performance.now() - sentAt).toBeGreaterThanOrEqual(1_499);
        expect(await adapter.renew(forgotten, 1_500)).toEqual({ status: 'lost' });
        if (claim.mode === 'permits') {
          const rest = attempt(key, { claim });
          await grant(adapter, rest);
          await adapter.release(rest);
        }
        await far.release(next.request);
        // What the forgotten holder had asked for expires by itself.
        await server.command('DEL', `fence:places:{lock:${key}}`);
        expect(await leftovers()).toEqual([]);
      }
      for (const each of [adapter, far]) await each.close?.();
    });

    it('a key of the queue that is something else is a refusal at once, and says which', async () => {
      const adapter = client.adapter();
      const key = newName();
      await server.command('SET', `fence:queue:{lock:${key}}`, 'text', 'PX', '60000');
      const refused = lockError('LOCK_BACKEND', {
        retryable: false,
        message: expect.stringMatching(/WRONGTYPE.*fence:queue/),
      });
      await expect(adapter.tryAcquire(attempt(key))).rejects.toEqual(refused);
      await expect(adapter.enqueue?.(attempt(key), new AbortController().signal)).rejects.toEqual(refused);
      await server.command('DEL', `fence:queue:{lock:${key}}`);
      await adapter.close?.();
    });

    it('shared holds are held together, a writer waits for them, and readers behind it wait for it', async () => {
      const [adapter, far] = [client.adapter(), other.adapter()];
      const key = newName();
      const shared = { mode: 'shared' } as const;
      const writer = attempt(key, { ttlMs: 30_000 });
      const { fencingToken } = await grant(adapter, writer);
      const [one, two] = [await queue(adapter, key, shared), await queue(far, key, shared)];
      const next = await queue(far, key);
      const late = await queue(adapter, key, shared);
      // Readers who are let in by a downgrade, up to the writer that waits.
      expect(await adapter.downgrade?.(writer, 30_000)).toMatchObject({ status: 'renewed' });
      const tokens = [await one.granted, await two.granted].map((outcome) => outcome.fencingToken);
      expect(tokens).toEqual([fencingToken, fencingToken]);
      expect(await adapter.inspect?.(key)).toMatchObject({
        mode: 'shared',
        holders: 3,
        waiters: 2,
        owner: writer.owner,
      });
      expect(await adapter.tryAcquire(attempt(key, { claim: shared }))).toMatchObject({ status: 'busy' });
      expect(await server.command('SET', `lock:${key}`, 'foreign', 'NX')).toBe(null);
      expect(await adapter.renew({ ...one.request }, 40_000)).toMatchObject({ status: 'renewed' });
      expect(await adapter.renewMany?.([writer, one.request], 40_000)).toMatchObject([
        { status: 'renewed' },
        { status: 'renewed' },
      ]);
      for (const { request } of [{ request: writer }, one, two]) expect(await far.release(request)).toBe('released');
      expect((await next.granted).fencingToken).toBeGreaterThan(fencingToken!);
      await far.release(next.request);
      await late.granted;
      expect(await adapter.forceRelease?.(key)).toBe(true);
      expect(await holders(adapter, key)).toBe(0);
      expect(await leftovers()).toEqual([]);
      for (const each of [adapter, far]) await each.close?.();
    });

    it('permits are given up to the limit, a large request is not passed by a small one, and one limit is kept', async () => {
      const adapter = client.adapter();
      const key = newName();
      const claim = (permits: number, limit = 3) => ({ mode: 'permits', permits, limit }) as const;
      const [a, b] = [attempt(key, { claim: claim(1) }), attempt(key, { claim: claim(1) })];
      const tokens = [await grant(adapter, a), await grant(adapter, b)].map((outcome) => outcome.fencingToken!);
      expect(tokens[1]).toBeGreaterThan(tokens[0]!);
      // Asked again it is the same hold.
      expect((await grant(adapter, a)).fencingToken).toBe(tokens[0]);
      const large = await queue(adapter, key, claim(2));
      const small = await queue(adapter, key, claim(1));
      expect(await adapter.inspect?.(key)).toMatchObject({
        mode: 'permits',
        holders: 2,
        limit: 3,
        waiters: 2,
        owner: a.owner,
      });
      const refusal = (message: RegExp) =>
        lockError('LOCK_INVALID_ARGUMENT', { retryable: false, message: expect.stringMatching(message) });
      await expect(adapter.tryAcquire(attempt(key, { claim: claim(1, 4) }))).rejects.toEqual(
        refusal(/limit 3.*limit 4/),
      );
      await expect(adapter.tryAcquire(attempt(key))).rejects.toEqual(refusal(/permits.*exclusive/));
      await expect(adapter.enqueue?.(attempt(key), new AbortController().signal)).rejects.toEqual(refusal(/permits/));
      // An expired hold gives its permits back once.
      expect(await adapter.release(a)).toBe('released');
      expect(await adapter.release(a)).toBe('not-held');
      await large.granted;
      expect(await adapter.tryAcquire(attempt(key, { claim: claim(1) }))).toMatchObject({ status: 'busy' });
      expect(await adapter.release(b)).toBe('released');
      await small.granted;
      await adapter.release(large.request);
      await adapter.release(small.request);
      expect(await leftovers()).toEqual([]);
      await adapter.close?.();
    });
  });
}
