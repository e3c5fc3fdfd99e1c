import { faultProxy } from '@holdfast/conformance/faults';
import { createLocks } from '@holdfast/lock-core';
import { type RedisClientBinding, redisLockAdapter } from '@holdfast/redis-protocol';
import { type RedisServer, startRedis } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scripts } from '../../src/scripts.ts';
import { attempt, grant, lockError, newName, newOwner, sleep, until } from './helpers.ts';
import { type ClientKit, single } from './kit.ts';
import { replicaTests } from './replica-tests.ts';

const isAcquire = (script: unknown): boolean => script === scripts.acquire.sha || script === scripts.acquire.source;

/** What one owner ID may cause: one hold, one release, and no shorter lease than it asked for. */
export function ownerSuite(kits: readonly ClientKit[]): void {
  let server: RedisServer;
  let replica: RedisServer;
  beforeAll(async () => {
    server = await startRedis({ args: ['--repl-diskless-sync-delay', '0'] });
    replica = await startRedis({ args: ['--replicaof', server.host, String(server.port)] });
    await until('the replica is in step', async () =>
      /slave0:.*state=online/.test(String(await server.command('INFO', 'replication'))),
    );
  });
  afterAll(async () => {
    replica?.thaw();
    await replica?.stop();
    await server?.stop();
  });
  const holderOf = (key: string) => server.command('GET', `lock:${key}`);

  describe.each(kits)('$name', (kit) => {
    replicaTests(kit, () => ({ server, replica }));

    it('a forced release names the owner that was observed, and spares the next holder (H112)', async () => {
      const client = kit.connect(single(server));
      const adapter = client.adapter();
      const [observed, next] = [attempt(newName()), newOwner()];
      await grant(adapter, observed);
      const forced = adapter.forceRelease as (key: string, owner?: string) => Promise<boolean>;
      expect(await forced(observed.key, observed.owner)).toBe(true);
      await grant(adapter, { ...observed, owner: next });
      expect(await forced(observed.key, observed.owner)).toBe(false);
      expect(await holderOf(observed.key)).toBe(next);
      expect(await forced(observed.key)).toBe(true);
      expect(await forced(observed.key)).toBe(false);
      await client.close();
    });

    it('a forced release whose answer was lost frees nobody else, also where the client sends it again (H112)', async () => {
      const proxy = await faultProxy(server);
      const client = kit.connect(single(proxy));
      const adapter = client.adapter();
      const direct = kit.connect(single(server));
      const [held, next] = [attempt(newName(), { ttlMs: 60_000 }), newOwner()];
      await grant(adapter, held);
      // The scripts have to be known, or what is swallowed is the answer that they are not.
      const warm = attempt(newName());
      await grant(adapter, warm);
      expect(await adapter.forceRelease?.(warm.key)).toBe(true);
      // The reply to the release, not the one to the look before it.
      const lost = proxy.swallowReplies({
        match: (request) => request.includes(`lock:${held.key}`) && request.includes(scripts.release.sha),
        thenCut: false,
      });
      const forced = adapter.forceRelease?.(held.key).catch((error: unknown) => error);
      await lost;
      await until('it is free', async () => (await holderOf(held.key)) === null);
      await grant(direct.adapter(), { ...held, owner: next });
      proxy.cut();
      // An answer to what was sent again, or none: never that the next holder was freed.
      expect(await forced).not.toBe(true);
      expect(await holderOf(held.key)).toBe(next);
      // Core asks again for the owner that it observed.
      const again = await until('an answer', () =>
        adapter
          .forceRelease?.(held.key, held.owner)
          .catch(() => undefined)
          .then((freed) => freed !== undefined && { freed }),
      );
      expect(again.freed).toBe(false);
      expect(await holderOf(held.key)).toBe(next);
      await client.close();
      await direct.close();
      await proxy.close();
    });

    it.each([true, false])(
      'an acquire that comes again never shortens the lease, fencing %s (H113)',
      async (fencing) => {
        const client = kit.connect(single(server));
        const adapter = client.adapter({ fencing });
        const request = attempt(newName(), { ttlMs: 5_000 });
        const { fencingToken } = await grant(adapter, request);
        expect(await adapter.renew(request, 60_000)).toEqual({ status: 'renewed', validForMs: 60_000 });
        const again = await grant(adapter, request);
        expect(again.fencingToken).toBe(fencingToken);
        expect(again.validForMs).toBeLessThanOrEqual(60_000);
        expect(Number(await server.command('PTTL', `lock:${request.key}`))).toBeGreaterThan(50_000);
        // An explicit renewal does.
        expect(await adapter.renew(request, 2_000)).toEqual({ status: 'renewed', validForMs: 2_000 });
        expect(Number(await server.command('PTTL', `lock:${request.key}`))).toBeLessThanOrEqual(2_000);
        await client.close();
      },
    );

    it('while the server is away nothing is queued: it gets nothing of what was asked meanwhile (H116)', async () => {
      const own = await startRedis();
      const proxy = await faultProxy(own);
      const client = kit.connect(single(proxy));
      const adapter = client.adapter();
      await until('a grant', () => grant(adapter, attempt(newName())).catch(() => undefined));
      await until('the scripts are known', async () => {
        const request = attempt(newName());
        await grant(adapter, request);
        return (await adapter.release(request)) === 'released';
      });
      proxy.refuse();
      await until('the loss is noticed', () => !client.binding().ready);
      const failed: Promise<unknown>[] = [];
      for (let i = 0; i < 400; i += 1) {
        const request = attempt(newName());
        const waiting = new AbortController();
        failed.push(adapter.tryAcquire(request).catch((error: unknown) => error));
        failed.push(adapter.release(request).catch((error: unknown) => error));
        adapter.whenFree?.(request.key, waiting.signal).catch(() => {});
        setImmediate(() => waiting.abort());
        // A caller that gives up while it waits for the connection has left nothing behind either.
        failed.push(
          adapter.tryAcquire({ ...attempt(newName()), signal: waiting.signal }).catch((error: unknown) => error),
        );
        if (i % 20 === 0) await sleep(20);
      }
      for (const outcome of await Promise.all(failed)) expect(outcome).toHaveProperty('notSent', true);
      await own.command('CONFIG', 'RESETSTAT');
      await proxy.heal();
      await until('a grant after it', () => grant(adapter, attempt(newName())).catch(() => undefined));
      const stats = String(await own.command('INFO', 'commandstats'));
      const calls = (name: string) => Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
      expect(calls('evalsha')).toBeLessThanOrEqual(2);
      expect(calls('subscribe') + calls('unsubscribe')).toBeLessThanOrEqual(2);
      await adapter.close?.();
      await client.close();
      await proxy.close();
      await own.stop();
    });

    it.each([
      ['an answer of an unexpected type', () => ({ strange: true })],
      [
        'a refusal of what the client had sent before',
        () => {
          throw new Error('NOPERM User default has no permissions to run the command');
        },
      ],
    ] as const)('after %s to an acquire nothing stays locked (H115)', async (what, answer) => {
      const client = kit.connect(single(server));
      const binding = client.binding();
      await until('it is connected', () => binding.ready);
      let resends = 0;
      const key = newName();
      const strange: RedisClientBinding = Object.create(binding, {
        resends: { get: () => resends },
        call: {
          value: async (...[command, args, at]: Parameters<RedisClientBinding['call']>) => {
            const reply = await binding.call(command, args, at);
            if (!command.startsWith('eval') || !isAcquire(args[0])) return reply;
            expect(await holderOf(key)).not.toBe(null);
            if (what !== 'an answer of an unexpected type') resends += 1;
            return answer();
          },
        },
      });
      for (const fencing of [true, false]) {
        // The script has to be known, so that the first command is the one that acquires.
        await grant(client.adapter(), attempt(newName()));
        const locks = createLocks(redisLockAdapter(strange, { fencing }));
        const error = await locks.acquire(key, { ttlMs: 60_000 }).catch((reason: unknown) => reason);
        expect(error).toEqual(lockError('LOCK_BACKEND', { retryable: false }));
        await until('it is free', async () => (await holderOf(key)) === null);
        await locks.close();
      }
      await client.close();
    });

    it.each([true, false])(
      'what the client sent twice is answered neither granted nor busy (H14, fencing %s)',
      async (fencing) => {
        const client = kit.connect(single(server));
        const binding = client.binding();
        await until('it is connected', () => binding.ready);
        let resends = 0;
        const twice: RedisClientBinding = Object.create(binding, {
          resends: { get: () => resends },
          call: {
            value: (...sent: Parameters<RedisClientBinding['call']>) => {
              resends += 1;
              return binding.call(...sent);
            },
          },
        });
        const adapter = redisLockAdapter(twice, { fencing });
        const unknown = lockError('LOCK_BACKEND', { retryable: true });
        const first = attempt(newName(), { ttlMs: 60_000 });
        await expect(adapter.tryAcquire(first)).rejects.toEqual(unknown);
        expect(await holderOf(first.key)).toBe(first.owner);
        // What was sent first may arrive when the key is free, so this one is not done with either.
        await expect(adapter.tryAcquire(attempt(first.key))).rejects.toEqual(unknown);
        // Nobody wants it any more, and core may look after it no longer.
        const given = attempt(newName(), { ttlMs: 60_000 });
        await expect(adapter.tryAcquire({ ...given, signal: AbortSignal.abort() })).rejects.toEqual(unknown);
        await until('it is free', async () => (await holderOf(given.key)) === null);
        await adapter.close?.();
        await client.close();
      },
    );

    it.each([true, false])(
      'given up after the client sent the acquire twice: the one that arrives late holds nothing (H64, H125, fencing %s)',
      async (fencing) => {
        const client = kit.connect(single(server));
        const binding = client.binding();
        await until('it is connected', () => binding.ready);
        const key = newName();
        const giveUp = new AbortController();
        let resends = 0;
        let late: (() => Promise<unknown>) | undefined;
        let arrived = false;
        const twice: RedisClientBinding = Object.create(binding, {
          resends: { get: () => resends },
          call: {
            value: async (...sent: Parameters<RedisClientBinding['call']>) => {
              const reply = await binding.call(...sent);
              if (resends === 0 && (await holderOf(key)) !== null) {
                resends += 1;
                late = () => binding.call(...sent);
                giveUp.abort();
              } else if (late !== undefined && sent[1][0] === scripts.release.sha) {
                const arrives = late;
                late = undefined;
                await arrives();
                arrived = true;
              }
              return reply;
            },
          },
        });
        // The scripts have to be known, so that what arrives late is the whole of an acquire.
        const warm = attempt(newName());
        await grant(client.adapter(), warm);
        await client.adapter().release(warm);
        const locks = createLocks(redisLockAdapter(twice, { fencing }));
        await expect(locks.acquire(key, { ttlMs: 600_000, signal: giveUp.signal })).rejects.toThrow();
        await until('the late one has arrived', () => arrived);
        await until('it is free', async () => (await holderOf(key)) === null);
        await locks.close();
        await client.close();
      },
    );

    it('refuses what is no client of the library, and unknown options', () => {
      const client = kit.connect(single(server));
      expect(() => client.adapter({ wait_replicas: 1 } as object)).toThrow(/did you mean waitReplicas/);
      for (const odd of [Promise.resolve({}), new URL('redis://a'), new Map([['prefix', 'x:']]), () => {}]) {
        expect(() => client.adapter(odd as object)).toThrow(/options must be a/);
      }
      for (const wrong of [undefined, null, 'redis://127.0.0.1', {}, Promise.resolve(), () => {}, new Map()]) {
        expect(() => kit.adapterOf(wrong), String(wrong)).toThrow(lockError('LOCK_INVALID_ARGUMENT') as Error);
      }
      return client.close();
    });
  });
}
