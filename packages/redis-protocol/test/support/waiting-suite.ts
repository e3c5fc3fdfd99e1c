import { getEventListeners } from 'node:events';
import { faultProxy } from '@holdfast/conformance/faults';
import { createLocks } from '@holdfast/lock-core';
import { type RedisServer, startRedis } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attempt, grant, lockError, newName, until } from './helpers.ts';
import { type ClientKit, single, type TestClient } from './kit.ts';
import { passedOn, turnsOf } from './taking-turns.ts';

/** Waiting and waking up: nobody is forgotten, nobody leaves anything behind. */
export function waitingSuite(kits: readonly ClientKit[]): void {
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

    const subscribers = async (key: string) =>
      Number(((await server.command('PUBSUB', 'NUMSUB', `lock:${key}`)) as unknown[])[1]);
    const nobodyListens = () =>
      until(
        'the end of all subscriptions',
        async () => ((await server.command('PUBSUB', 'CHANNELS')) as unknown[]).length === 0,
      );

    it('H37: a release between the request and the subscription is not missed', async () => {
      const holder = other.adapter();
      const request = attempt(newName(), { ttlMs: 60_000 });
      await grant(holder, request);
      const adapter = client.adapter();
      const waiting = attempt(request.key, { onQueued: () => void holder.release(request) });
      expect(await adapter.enqueue?.(waiting, waiting.signal)).toMatchObject({ status: 'granted' });
      await adapter.release(waiting);
      await adapter.close?.();
    });

    it('H38: the message of a release is lost: the fall-back poll wins, long before the TTL', async () => {
      const request = attempt(newName(), { ttlMs: 600_000 });
      await grant(other.adapter(), request);
      const locks = createLocks(client.adapter());
      const waiting = locks.acquire(request.key, { waitMs: 20_000 });
      await until('the subscription', async () => (await subscribers(request.key)) === 1);
      await server.command('DEL', `lock:${request.key}`);
      expect((await waiting).state).toBe('held');
      await locks.close();
    });

    it('H43: a waiter that comes while the subscription before it is being ended is woken', async () => {
      const proxy = await faultProxy(server);
      const far = kit.connect(single(proxy));
      const adapter = far.adapter();
      const [key, mark] = [newName(), newName()];
      const [early, stays] = [new AbortController(), new AbortController()];
      await adapter.whenFree?.(newName(), stays.signal);
      proxy.delay(50);
      const gone = adapter.whenFree?.(key, early.signal);
      const marked = adapter.whenFree?.(mark, stays.signal);
      await until('it is subscribed', async () => (await subscribers(mark)) === 1);
      early.abort();
      await expect(gone).rejects.toThrow();
      // The answer to the SUBSCRIBE is here, that to the UNSUBSCRIBE is not.
      await marked;
      await adapter.whenFree?.(key, stays.signal);
      const hint = adapter.whenFree?.(key, stays.signal);
      proxy.delay(0);
      await until('it is told', async () => ((await server.command('PUBLISH', `lock:${key}`, '')) as number) === 1);
      await hint;
      stays.abort();
      await adapter.close?.();
      await far.close();
      await proxy.close();
    });

    it('H38: after a lost subscription connection every waiter looks again', async () => {
      const proxy = await faultProxy(server);
      const far = kit.connect(single(proxy));
      const adapter = far.adapter();
      const abort = new AbortController();
      const keys = [newName(), newName()];
      await Promise.all(keys.map((key) => adapter.whenFree?.(key, abort.signal)));
      const hints = keys.map((key) => adapter.whenFree?.(key, abort.signal));
      proxy.cut();
      await Promise.all(hints);
      // And the subscriptions stand again.
      const request = attempt(keys[0]!);
      const next = adapter.whenFree?.(request.key, abort.signal);
      await until('the subscription', async () => (await subscribers(request.key)) === 1);
      await grant(other.adapter(), request);
      await other.adapter().release(request);
      await next;
      abort.abort();
      await adapter.close?.();
      await far.close();
      await proxy.close();
    });

    it('H40: the first of two waiters gives up, the second is still woken', async () => {
      const adapter = client.adapter();
      const request = attempt(newName());
      await grant(other.adapter(), request);
      const [one, two] = [new AbortController(), new AbortController()];
      await Promise.all([adapter.whenFree?.(request.key, one.signal), adapter.whenFree?.(request.key, two.signal)]);
      expect(await subscribers(request.key)).toBe(1);
      const [first, second] = [
        adapter.whenFree?.(request.key, one.signal),
        adapter.whenFree?.(request.key, two.signal),
      ];
      one.abort(new Error('gives up'));
      await expect(first).rejects.toThrow('gives up');
      expect(await subscribers(request.key)).toBe(1);
      await other.adapter().release(request);
      await second;
      two.abort();
      await nobodyListens();
      await adapter.close?.();
    });

    it('H40: one leaves and another comes at the same moment: the newcomer is subscribed', async () => {
      const adapter = client.adapter();
      const key = newName();
      let before = new AbortController();
      await adapter.whenFree?.(key, before.signal);
      for (let i = 0; i < 20; i++) {
        const next = new AbortController();
        before.abort();
        const standing = adapter.whenFree?.(key, next.signal);
        await standing;
        expect(await subscribers(key)).toBe(1);
        before = next;
      }
      const hint = adapter.whenFree?.(key, before.signal);
      const request = attempt(key);
      await grant(other.adapter(), request);
      await other.adapter().release(request);
      await hint;
      before.abort();
      await adapter.close?.();
    });

    it('closing the adapter rejects who waits, and whoever comes later', async () => {
      const adapter = client.adapter();
      const abort = new AbortController();
      const key = newName();
      await adapter.whenFree?.(key, abort.signal);
      const hint = adapter.whenFree?.(key, abort.signal);
      const closing = adapter.close?.();
      await expect(hint).rejects.toEqual(lockError('LOCK_CLOSED'));
      await closing;
      expect(getEventListeners(abort.signal, 'abort')).toEqual([]);
      await expect(adapter.whenFree?.(key, abort.signal)).rejects.toEqual(lockError('LOCK_CLOSED'));
      await nobodyListens();
      expect(await client.works()).toBe(true);
    });

    it('H42, H43: of 1,000 waiters half are aborted: the others are served, and nothing is left', async () => {
      const locks = createLocks(client.adapter());
      const request = attempt(newName(), { ttlMs: 60_000 });
      await grant(other.adapter(), request);
      let served = 0;
      const aborts = Array.from({ length: 1_000 }, () => new AbortController());
      const waiting = aborts.map(({ signal }) =>
        locks.using(request.key, { signal }, () => {
          served += 1;
        }),
      );
      const settled = Promise.allSettled(waiting);
      await until('the subscription', async () => (await subscribers(request.key)) === 1);
      for (const [i, abort] of aborts.entries()) if (i % 2 === 0) abort.abort();
      await other.adapter().release(request);
      const outcomes = await settled;
      expect(served).toBe(500);
      expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(500);
      expect(
        await until('the key is free', async () => (await server.command('EXISTS', `lock:${request.key}`)) === 0),
      ).toBe(true);
      await nobodyListens();
      await locks.close();
    });

    it('H43: 10,000 waits leave no listener, no subscription and no connection', async () => {
      const adapter = client.adapter();
      const wait = async (key: string) => {
        const abort = new AbortController();
        await adapter.whenFree?.(key, abort.signal);
        abort.abort();
      };
      await wait(newName());
      const listeners = client.listeners();
      const connections = async () =>
        String(await server.command('INFO', 'clients')).match(/connected_clients:\d+/)?.[0];
      const before = await connections();
      const keys = Array.from({ length: 50 }, () => newName());
      for (let round = 0; round < 50; round++) {
        await Promise.all(Array.from({ length: 200 }, (_, i) => wait(keys[i % keys.length]!)));
      }
      expect(client.listeners()).toBe(listeners);
      expect(await connections()).toBe(before);
      await nobodyListens();
      await adapter.close?.();
    });

    it('who takes a lock again at once lets another process that waits have it in between', async () => {
      const both = [createLocks(client.adapter()), createLocks(other.adapter())];
      const turns = await turnsOf(both, newName(), 100);
      // Nearly all; without it, one in a hundred.
      expect(passedOn(turns)).toBeGreaterThan(0.5);
      for (const locks of both) await locks.close();
    });

    it('H39: 50 waiters of a process cost a bounded number of commands per hand-over', async () => {
      // No local hand-over: every one goes through the server.
      const locks = createLocks(client.adapter(), { localRun: { count: 0 } });
      const request = attempt(newName(), { ttlMs: 60_000 });
      await grant(other.adapter(), request);
      const waiting = Array.from({ length: 50 }, () => locks.using(request.key, async () => {}));
      await until('the subscription', async () => (await subscribers(request.key)) === 1);
      await server.command('CONFIG', 'RESETSTAT');
      await other.adapter().release(request);
      await Promise.all(waiting);
      const stats = String(await server.command('INFO', 'commandstats'));
      const calls = Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1]);
      expect(calls).toBeGreaterThanOrEqual(100);
      // An acquisition and a release each, and at most as many again for looks that found it busy.
      expect(calls).toBeLessThanOrEqual(200);
      await locks.close();
    });
  });
}
