import { type RedisServer, startRedis } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attempt, grant, lockError, newName, newOwner, until } from './helpers.ts';
import { type ClientKit, single, type TestClient } from './kit.ts';

/** The lock protocol on a single server, seen from the server's side. */
export function protocolSuite(kits: readonly ClientKit[]): void {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server?.stop());

  describe.each(kits)('$name', (kit) => {
    let client: TestClient;
    beforeAll(() => {
      client = kit.connect(single(server));
    });
    afterAll(() => client.close());

    it('a lock is a readable key with the owner as its value and the TTL as its expiry', async () => {
      const adapter = client.adapter();
      const request = attempt(newName('invoice'), { ttlMs: 5_000 });
      await grant(adapter, request);
      expect(await server.command('GET', `lock:${request.key}`)).toBe(request.owner);
      const left = Number(await server.command('PTTL', `lock:${request.key}`));
      expect(left).toBeGreaterThan(0);
      expect(left).toBeLessThanOrEqual(5_000);
      await adapter.release(request);
      expect(await server.command('EXISTS', `lock:${request.key}`)).toBe(0);
    });

    it('commands of one turn reach the server in the order of the calls, however many there are', async () => {
      const binding = client.binding();
      const list = newName('order');
      const calls = Array.from({ length: 1_000 }, (_, i) => String(i));
      // Some more from within the replies: they wait behind those that were there before.
      const replies = calls.map((call, i) => {
        const sent = binding.call('rpush', [list, call], list);
        return i % 10 === 0 ? sent.then(() => binding.call('rpush', [`${list}-later`, call], list)) : sent;
      });
      await Promise.all(replies);
      expect(await server.command('LRANGE', list, '0', '-1')).toEqual(calls);
      expect(await server.command('LRANGE', `${list}-later`, '0', '-1')).toEqual(calls.filter((_, i) => i % 10 === 0));
    });

    it('excludes, and is excluded by, a program that uses SET NX', async () => {
      const adapter = client.adapter();
      const key = newName();
      await server.command('SET', `lock:${key}`, 'another program', 'NX', 'PX', 60_000);
      expect(await adapter.tryAcquire(attempt(key))).toMatchObject({ status: 'busy' });
      expect(await adapter.inspect?.(key)).toMatchObject({ owner: 'another program', fencingToken: undefined });
      await server.command('DEL', `lock:${key}`);
      await grant(adapter, attempt(key));
      expect(await server.command('SET', `lock:${key}`, 'another program', 'NX', 'PX', 60_000)).toBe(null);
    });

    it('a foreign lock without expiry is busy, for nobody knows how long', async () => {
      const adapter = client.adapter();
      const key = newName();
      await server.command('SET', `lock:${key}`, 'for ever');
      expect(await adapter.tryAcquire(attempt(key))).toEqual({ status: 'busy', retryAfterMs: undefined });
      expect(await adapter.inspect?.(key)).toMatchObject({ remainingMs: undefined });
    });

    it('the fence key of a lock expires, after 30 days or ten TTLs', async () => {
      const adapter = client.adapter();
      const request = attempt(newName());
      const days = 24 * 3_600_000;
      const fence = `fence:{lock:${request.key}}`;
      await grant(adapter, request);
      expect(Number(await server.command('PTTL', fence))).toBeGreaterThan(29 * days);
      await adapter.release(request);
      await grant(adapter, { ...request, owner: newOwner(), ttlMs: 30 * days });
      expect(Number(await server.command('PTTL', fence))).toBeGreaterThan(299 * days);
    });

    it('H62: tokens rise over release, expiry, DEL of the lock key, and between two clients', async () => {
      const other = kit.connect(single(server));
      const key = newName();
      let last = 0n;
      const next = async (adapter = client.adapter(), tokens = 1) => {
        const request = attempt(key, { ttlMs: 30, tokens });
        const { fencingToken, tokens: reserved } = await until('the grant', async () => {
          const outcome = await adapter.tryAcquire(request);
          return outcome.status === 'granted' && outcome;
        });
        expect(fencingToken).toBeGreaterThan(last);
        expect(reserved).toBe(tokens);
        last = fencingToken! + BigInt(tokens) - 1n;
        return request;
      };
      await client.adapter().release(await next());
      await next(other.adapter(), 65);
      await next();
      await server.command('DEL', `lock:${key}`);
      await next(other.adapter());
      await other.adapter().forceRelease?.(key);
      await next(undefined, 65);
      await other.close();
    });

    it('H62: tokens rise above one that is ahead of the clock, and stay ahead', async () => {
      const adapter = client.adapter();
      const request = attempt(newName());
      const ahead = 2_000_000_000_000_000n;
      await server.command('SET', `fence:{lock:${request.key}}`, `${ahead} 1`, 'PX', 5_000);
      expect((await grant(adapter, request)).fencingToken).toBe(ahead + 1n);
      // Such a token outlives the time at which the key would have ended.
      expect(Number(await server.command('PTTL', `fence:{lock:${request.key}}`))).toBeGreaterThan(5_000);
    });

    it.each(['garbage', '12 12 12', 'nan 1', '9007199254740992 1', ''])(
      'H62: garbage %j in the fence key is refused, and nothing is changed',
      async (garbage) => {
        const adapter = client.adapter();
        const request = attempt(newName());
        const fence = `fence:{lock:${request.key}}`;
        await server.command('SET', fence, garbage, 'PX', 60_000);
        await expect(adapter.tryAcquire(request)).rejects.toEqual(lockError('LOCK_FOREIGN_KEY', { retryable: false }));
        expect(await server.command('GET', fence)).toBe(garbage);
        expect(Number(await server.command('PTTL', fence))).toBeGreaterThan(0);
        expect(await server.command('EXISTS', `lock:${request.key}`)).toBe(0);
      },
    );

    it('H62: a fence key of another type is refused, and nothing is changed', async () => {
      const adapter = client.adapter();
      const request = attempt(newName());
      const fence = `fence:{lock:${request.key}}`;
      await server.command('RPUSH', fence, 'x');
      await expect(adapter.tryAcquire(request)).rejects.toEqual(lockError('LOCK_FOREIGN_KEY', { retryable: false }));
      expect(await server.command('LLEN', fence)).toBe(1);
      expect(await server.command('EXISTS', `lock:${request.key}`)).toBe(0);
    });

    it('H12: asked again by its holder: the same tokens, and a fresh TTL', async () => {
      const adapter = client.adapter();
      const request = attempt(newName(), { tokens: 65, ttlMs: 60_000 });
      const first = await grant(adapter, request);
      await server.command('PEXPIRE', `lock:${request.key}`, 5_000);
      expect(await grant(adapter, request)).toEqual(first);
      // The block is the hold's own, also for who asks for another number of tokens.
      expect(await grant(adapter, { ...request, tokens: 1 })).toMatchObject({
        fencingToken: first.fencingToken,
        tokens: 65,
      });
      expect(Number(await server.command('PTTL', `lock:${request.key}`))).toBeGreaterThan(30_000);
    });

    it.each([['RPUSH'], ['SADD'], ['HSET', 'field']])(
      'H25: a key made by %s is a foreign key in every operation, and stays untouched',
      async (...command) => {
        for (const adapter of [client.adapter(), client.adapter({ fencing: false })]) {
          const request = attempt(newName());
          const redisKey = `lock:${request.key}`;
          await server.command(command[0]!, redisKey, ...command.slice(1), 'value');
          const before = await server.command('DUMP', redisKey);
          const foreign = lockError('LOCK_FOREIGN_KEY', { retryable: false, key: request.key });
          await expect(adapter.tryAcquire(request)).rejects.toEqual(foreign);
          await expect(adapter.renew(request, 1_000)).rejects.toEqual(foreign);
          await expect(adapter.release(request)).rejects.toEqual(foreign);
          await expect(adapter.inspect?.(request.key)).rejects.toEqual(foreign);
          await expect(adapter.forceRelease?.(request.key)).rejects.toEqual(foreign);
          expect(await adapter.renewMany?.([request], 1_000)).toEqual([{ status: 'lost' }]);
          expect(await server.command('DUMP', redisKey)).toBe(before);
          expect(await server.command('PTTL', redisKey)).toBe(-1);
        }
      },
    );

    it('H62: a holder beside others whose tokens were evicted gets new ones, above those before and below those after', async () => {
      for (const fencing of [true, false]) {
        const adapter = client.adapter({ fencing });
        for (const claim of [{ mode: 'shared' }, { mode: 'permits', permits: 2, limit: 3 }] as const) {
          const request = attempt(newName(), { claim, ttlMs: 5_000 });
          // A reader has the token of the last writer.
          const before = attempt(request.key, { ttlMs: 5_000 });
          await grant(adapter, before);
          await adapter.release(before);
          const { fencingToken: first } = await grant(adapter, request);
          await server.command('DEL', `fence:places:{lock:${request.key}}`);
          const { fencingToken: again } = await grant(adapter, request);
          expect(again === undefined || again >= first!).toBe(true);
          expect((await grant(adapter, request)).fencingToken).toBe(again);
          // Who knows nothing of the others counts the key as full, until they are gone.
          const other = attempt(request.key, { claim, ttlMs: 5_000 });
          if (claim.mode === 'permits') expect(await adapter.tryAcquire(other)).toMatchObject({ status: 'busy' });
          await adapter.release(request);
          const { fencingToken: next } = await grant(adapter, other);
          expect(next === undefined || claim.mode === 'shared' || next > again!).toBe(true);
          await adapter.release(other);
          expect(await server.command('EXISTS', `fence:places:{lock:${request.key}}`)).toBe(0);
        }
        await adapter.close?.();
      }
    });

    it('the longest of all leases, beside others: granted, renewed and released', async () => {
      const adapter = client.adapter();
      const ttlMs = Number.MAX_SAFE_INTEGER;
      for (const claim of [{ mode: 'shared' }, { mode: 'permits', permits: 1, limit: 2 }] as const) {
        const key = newName();
        const requests = [attempt(key, { claim, ttlMs }), attempt(key, { claim, ttlMs })];
        for (const request of requests) await grant(adapter, request);
        for (const each of requests) expect(await adapter.renew(each, ttlMs)).toMatchObject({ status: 'renewed' });
        expect(await adapter.inspect?.(key)).toMatchObject({ holders: 2, waiters: 0 });
        for (const request of requests) expect(await adapter.release(request)).toBe('released');
        expect(await server.command('EXISTS', `lock:${key}`, `fence:queue:{lock:${key}}`)).toBe(0);
      }
      const alone = attempt(newName(), { ttlMs });
      await grant(adapter, alone);
      expect(await adapter.downgrade?.(alone, ttlMs)).toMatchObject({ status: 'renewed' });
      expect(await adapter.release({ ...alone, claim: { mode: 'shared' } })).toBe('released');
      expect(await server.command('EXISTS', `lock:${alone.key}`)).toBe(0);
    });

    it('H16: SCRIPT FLUSH between every two operations', async () => {
      const adapter = client.adapter();
      const flush = () => server.command('SCRIPT', 'FLUSH');
      const [a, b] = [attempt(newName()), attempt(newName())];
      await flush();
      const { fencingToken } = await grant(adapter, a);
      await flush();
      expect(await adapter.tryAcquire(attempt(a.key))).toMatchObject({ status: 'busy' });
      await grant(adapter, b);
      await flush();
      expect(await adapter.renew(a, 5_000)).toMatchObject({ status: 'renewed' });
      await flush();
      expect(await adapter.renewMany?.([a, b], 5_000)).toMatchObject([{ status: 'renewed' }, { status: 'renewed' }]);
      await flush();
      expect(await adapter.inspect?.(a.key)).toMatchObject({ owner: a.owner, fencingToken });
      await flush();
      expect(await adapter.release(a)).toBe('released');
      await flush();
      expect(await adapter.forceRelease?.(b.key)).toBe(true);
      await flush();
      expect(await client.adapter({ fencing: false }).tryAcquire(a)).toMatchObject({ status: 'granted' });
    });

    it('renewMany renews what is held and nothing else, over several batches', async () => {
      const adapter = client.adapter();
      const holds = Array.from({ length: 250 }, () => attempt(newName(), { ttlMs: 30_000 }));
      await Promise.all(holds.map((hold) => grant(adapter, hold)));
      await adapter.release(holds[7]!);
      const outcomes = await adapter.renewMany?.([...holds, attempt(holds[9]!.key)], 60_000);
      const expected = holds.map((_, i) => (i === 7 ? 'lost' : 'renewed'));
      expect(outcomes?.map(({ status }) => status)).toEqual([...expected, 'lost']);
      expect(await server.command('EXISTS', `lock:${holds[7]!.key}`)).toBe(0);
    });

    it('H4: renewal compares owners of any text whole, alone and with others', async () => {
      const adapter = client.adapter();
      const owners = ['"', '\\', '\\ud83d', '\ud83d', 'é', '🔒', '\u0000', '\n', '[]', 'x'.repeat(300)];
      const holds = owners.map((owner) => ({ ...attempt(newName()), owner }));
      await Promise.all(holds.map((hold) => grant(adapter, hold)));
      for (const hold of holds) expect(await adapter.renew(hold, 60_000)).toMatchObject({ status: 'renewed' });
      const others = holds.map((hold) => ({ ...hold, owner: `${hold.owner}x` }));
      const outcomes = await adapter.renewMany?.([...holds, ...others], 60_000);
      expect(outcomes?.map(({ status }) => status)).toEqual([
        ...holds.map(() => 'renewed'),
        ...others.map(() => 'lost'),
      ]);
    });

    it('without fencing: no token, no second key, and as idempotent by owner', async () => {
      const adapter = client.adapter({ fencing: false });
      expect(adapter.capabilities.fencing).toBe(false);
      const request = attempt(newName(), { ttlMs: 60_000 });
      expect(await grant(adapter, request)).toMatchObject({ validForMs: 60_000 });
      await server.command('PEXPIRE', `lock:${request.key}`, 5_000);
      expect((await grant(adapter, request)).fencingToken).toBeUndefined();
      expect(Number(await server.command('PTTL', `lock:${request.key}`))).toBeGreaterThan(30_000);
      expect(await adapter.tryAcquire(attempt(request.key))).toMatchObject({
        status: 'busy',
        retryAfterMs: expect.any(Number),
      });
      expect(await server.command('EXISTS', `fence:{lock:${request.key}}`)).toBe(0);
    });

    it('H19: waitReplicas without replicas: busy, and nothing is left', async () => {
      const adapter = client.adapter({ waitReplicas: 1, waitReplicasTimeoutMs: 20 });
      const request = attempt(newName());
      expect(await adapter.tryAcquire(request)).toMatchObject({ status: 'busy' });
      expect(await server.command('EXISTS', `lock:${request.key}`)).toBe(0);
    });

    it.each([
      { prefix: '' },
      { prefix: 'a{b' },
      { prefix: 'fence:' },
      { waitReplicas: -1 },
      { waitReplicas: 1.5 },
      { waitReplicasTimeoutMs: 0 },
    ])('refuses the options %j', (options) => {
      expect(() => client.adapter(options)).toThrow(lockError('LOCK_INVALID_ARGUMENT') as Error);
    });
  });
}
