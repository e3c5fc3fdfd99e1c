import { describe, expect, it } from 'vitest';
import { attempt, grant, lockError, newName, until } from '../../redis-protocol/test/support/helpers.ts';
import { useRig } from './support/rig.ts';

const rig = useRig();

describe('split votes', () => {
  it.each([2, 4])('H31: %i nodes, several contenders at once: every time exactly one is granted', async (count) => {
    const over = rig.servers.slice(0, count);
    const clients = [await rig.adapter({}, over), await rig.adapter({}, over), await rig.adapter({}, over)];
    for (let round = 0; round < 10; round++) {
      const key = newName();
      const requests = clients.map(() => attempt(key, { ttlMs: 60_000 }));
      const outcomes = await Promise.all(clients.map((client, i) => client.tryAcquire(requests[i]!)));
      expect(outcomes.filter(({ status }) => status === 'granted')).toHaveLength(1);
    }
  });

  it.each([2, 4])(
    'H31: %i nodes, votes of two crashed contenders on half each: busy, in bounded time',
    async (count) => {
      const over = rig.servers.slice(0, count);
      const adapter = await rig.adapter({}, over);
      const key = newName();
      for (const [i, server] of over.entries()) {
        await server.command('SET', `lock:${key}`, `crashed${i < count / 2 ? 'A' : 'B'}:1`, 'PX', 4_000);
      }
      const sentAt = performance.now();
      expect(await adapter.tryAcquire(attempt(key))).toMatchObject({ status: 'busy' });
      expect(performance.now() - sentAt).toBeLessThan(8_000);
      await until('the votes expire', async () => (await adapter.tryAcquire(attempt(key))).status === 'granted');
    },
  );

  it('H30: a contender that gave up leaves no vote: when two nodes come free, the next attempt has them', async () => {
    const adapter = await rig.adapter();
    const key = newName();
    const holders = rig.servers.slice(0, 3);
    for (const server of holders) await server.command('SET', `lock:${key}`, 'crashed:1', 'PX', 60_000);
    expect(await adapter.tryAcquire(attempt(key))).toMatchObject({ status: 'busy' });
    await until('its votes are gone', async () => (await rig.votes(key)) === 3);
    await holders[0]!.command('DEL', `lock:${key}`);
    expect(await adapter.tryAcquire(attempt(key))).toMatchObject({ status: 'granted' });
  });
});

describe('renewal', () => {
  it('H34: a hold that lost its majority is lost, and does not take back the nodes that another has', async () => {
    const [one, two] = [await rig.adapter(), await rig.adapter()];
    const request = attempt(newName(), { ttlMs: 60_000 });
    const { fencingToken } = await grant(one, request);
    await until('all nodes voted', async () => (await rig.votes(request.key)) === 5);
    for (const server of rig.servers.slice(1, 4)) await server.command('DEL', `lock:${request.key}`);
    const next = attempt(request.key, { ttlMs: 60_000 });
    const granted = await grant(two, next);
    expect(await one.renew({ ...request, fencingToken }, 60_000)).toEqual({ status: 'lost' });
    expect(await one.release(request)).toBe('not-held');
    expect(await two.renew({ ...next, fencingToken: granted.fencingToken }, 60_000)).toMatchObject({
      status: 'renewed',
    });
  });

  it.each([
    ['a lock', undefined],
    ['a shared lock', { mode: 'shared' }],
    ['a semaphore', { mode: 'permits', permits: 2, limit: 7 }],
  ] as const)('H34: %s that lost its majority leaves no votes, which its renewal had extended', async (_, claim) => {
    const adapter = await rig.adapter();
    const request = { ...attempt(newName(), { ttlMs: 60_000 }), claim };
    const { fencingToken } = await grant(adapter, request);
    await until('all nodes voted', async () => (await rig.votes(request.key)) === 5);
    for (const server of rig.servers.slice(1, 4)) await server.command('DEL', `lock:${request.key}`);
    expect(await adapter.renew({ ...request, fencingToken }, 60_000)).toEqual({ status: 'lost' });
    await until('the other votes are withdrawn', async () => (await rig.votes(request.key)) === 0);
  });

  it('another adapter renews, inspects and releases a hold by its owner and token', async () => {
    const [one, two] = [await rig.adapter(), await rig.adapter()];
    const request = attempt(newName());
    const { fencingToken } = await grant(one, request);
    const hold = { key: request.key, owner: request.owner, fencingToken };
    expect(await two.inspect?.(request.key)).toMatchObject({ owner: request.owner, fencingToken });
    expect(await two.renew(hold, 20_000)).toMatchObject({ status: 'renewed' });
    expect(await two.release(hold)).toBe('released');
  });
});

describe('forced release', () => {
  it('H112: frees only the owner that it names, on whatever clients', async () => {
    const [one, two] = [await rig.adapter(), await rig.adapter()];
    const request = attempt(newName(), { ttlMs: 60_000 });
    const { fencingToken } = await grant(one, request);
    await until('all nodes voted', async () => (await rig.votes(request.key)) === 5);
    expect(await two.forceRelease!(request.key, 'another')).toBe(false);
    expect(await one.renew({ ...request, fencingToken }, 60_000)).toMatchObject({ status: 'renewed' });
    expect(await two.forceRelease!(request.key, request.owner)).toBe(true);
    await until('no vote is left', async () => (await rig.votes(request.key)) === 0);
    const next = attempt(request.key, { ttlMs: 60_000 });
    const granted = await grant(one, next);
    expect(await two.forceRelease!(request.key, request.owner)).toBe(false);
    expect(await one.renew({ ...next, fencingToken: granted.fencingToken }, 60_000)).toMatchObject({
      status: 'renewed',
    });
    expect(await two.forceRelease!(request.key)).toBe(true);
    await until('no vote is left', async () => (await rig.votes(request.key)) === 0);
    expect(await two.forceRelease!(request.key)).toBe(false);
  });
});

describe('a node that is away', () => {
  it('H11: a forced release frees it as well, once it is back', async () => {
    const [one, two] = [await rig.adapter({}, rig.servers), await rig.adapter()];
    const request = attempt(newName(), { ttlMs: 60_000 });
    await grant(one, request);
    await until('all nodes voted', async () => (await rig.votes(request.key)) === 5);
    await grant(two, attempt(newName('warm')));
    for (const proxy of rig.proxies.slice(0, 2)) {
      proxy.refuse();
      proxy.cut();
    }
    await until('the others are free', async () => {
      await two.forceRelease!(request.key, request.owner).catch(() => {});
      return (await rig.votes(request.key)) <= 2;
    });
    await Promise.all(rig.proxies.map((proxy) => proxy.heal()));
    await until('no vote is left', async () => (await rig.votes(request.key)) === 0);
  });
});

describe('refresh', () => {
  it('H113: an owner that asks again for a shorter time keeps the longer lease; a renewal sets a shorter one', async () => {
    const adapter = await rig.adapter();
    const request = attempt(newName(), { ttlMs: 60_000 });
    const { fencingToken } = await grant(adapter, request);
    await until('all nodes voted', async () => (await rig.votes(request.key)) === 5);
    const left = () =>
      Promise.all(rig.servers.map(async (server) => Number(await server.command('PTTL', `lock:${request.key}`))));
    expect(await grant(adapter, { ...request, ttlMs: 1_000 })).toMatchObject({ fencingToken });
    expect(Math.min(...(await left()))).toBeGreaterThan(40_000);
    expect(await grant(adapter, { ...request, ttlMs: 100_000 })).toMatchObject({ fencingToken });
    await until('all are extended', async () => Math.min(...(await left())) > 80_000);
    expect(await adapter.renew({ ...request, fencingToken }, 20_000)).toMatchObject({ status: 'renewed' });
    await until('all are shorter', async () => Math.max(...(await left())) <= 20_000);
  });

  it('H113: nor does the same owner on another client shorten the votes that stand', async () => {
    const [one, two] = [await rig.adapter(), await rig.adapter()];
    const request = attempt(newName(), { ttlMs: 60_000 });
    await grant(one, request);
    await until('all nodes voted', async () => (await rig.votes(request.key)) === 5);
    await grant(two, { ...request, ttlMs: 1_000 });
    for (const server of rig.servers) {
      expect(Number(await server.command('PTTL', `lock:${request.key}`))).toBeGreaterThan(40_000);
    }
  });
});

describe('fencing tokens', () => {
  it('H36: they rise from one majority to another, over expiry, and over clocks that are behind', async () => {
    const adapter = await rig.adapter();
    const key = newName();
    const first = attempt(key);
    const one = await grant(adapter, first);
    await adapter.release(first);
    // What a client with a clock that is ten minutes ahead would leave behind.
    const ahead = one.fencingToken! + 600_000_000n;
    for (const server of rig.servers.slice(0, 3)) {
      await server.command('SET', `fence:{lock:${key}}`, `${ahead + 9n}`, 'PX', 60_000);
    }
    for (const server of rig.servers.slice(0, 2)) server.freeze();
    const second = attempt(key, { tokens: 65 });
    const two = await grant(adapter, second);
    expect(two.fencingToken).toBeGreaterThan(ahead + 9n);
    await adapter.release(second);
    for (const server of rig.servers.slice(0, 2)) server.thaw();
    for (const server of rig.servers.slice(3)) server.freeze();
    // The two that were stopped count again once they have caught up.
    const third = attempt(key);
    const three = await until('three of them answer', () => grant(adapter, third).catch(() => undefined));
    expect(three.fencingToken).toBeGreaterThan(two.fencingToken! + 64n);
  });

  it('H62: a fence key with something else in it is left alone, and refuses the lock on a majority', async () => {
    const adapter = await rig.adapter();
    const key = newName();
    const spoil = (i: number) => rig.servers[i]!.command('SET', `fence:{lock:${key}}`, 'not a token');
    await Promise.all([spoil(0), spoil(1)]);
    const request = attempt(key);
    await grant(adapter, request);
    await adapter.release(request);
    await spoil(2);
    await expect(adapter.tryAcquire(attempt(key))).rejects.toEqual(lockError('LOCK_FOREIGN_KEY', { retryable: false }));
    expect(await rig.servers[0]!.command('GET', `fence:{lock:${key}}`)).toBe('not a token');
    expect(await rig.votes(key)).toBe(0);
  });

  it('H62: what is refused keeps the expiry that it had, or none', async () => {
    const adapter = await rig.adapter();
    const key = newName();
    for (const server of rig.servers) await server.command('SET', `fence:{lock:${key}}`, 'not a token');
    await expect(adapter.tryAcquire(attempt(key))).rejects.toEqual(lockError('LOCK_FOREIGN_KEY'));
    for (const server of rig.servers) expect(await server.command('PTTL', `fence:{lock:${key}}`)).toBe(-1);
  });

  it('fence keys expire by themselves', async () => {
    const adapter = await rig.adapter();
    const request = attempt(newName());
    await grant(adapter, request);
    const left = Number(await rig.servers[0]!.command('PTTL', `fence:{lock:${request.key}}`));
    expect(left).toBeGreaterThan(29 * 24 * 3_600_000);
  });
});

describe('without fencing', () => {
  it('excludes those with tokens and those without, gives no token, keeps no second key', async () => {
    const [plain, other, fenced] = [
      await rig.adapter({ fencing: false }),
      await rig.adapter({ fencing: false }),
      await rig.adapter(),
    ];
    const request = attempt(newName(), { ttlMs: 60_000 });
    const next = attempt(request.key, { ttlMs: 60_000 });
    expect(plain.capabilities.fencing).toBe(false);
    expect(await grant(plain, request)).not.toHaveProperty('fencingToken');
    expect(await grant(plain, request), 'asked again').toMatchObject({ status: 'granted' });
    expect(await other.tryAcquire(next)).toMatchObject({ status: 'busy', retryAfterMs: expect.any(Number) });
    expect(await fenced.tryAcquire(next)).toMatchObject({ status: 'busy' });
    expect(await plain.renew(request, 50_000)).toMatchObject({ status: 'renewed' });
    expect(await other.inspect?.(request.key)).toMatchObject({ owner: request.owner, fencingToken: undefined });
    for (const server of rig.servers) expect(await server.command('EXISTS', `fence:{lock:${request.key}}`)).toBe(0);
    expect(await other.release(next)).toBe('not-held');
    expect(await plain.release(request)).toBe('released');
    await until('no vote is left', async () => (await rig.votes(request.key)) === 0);
    await grant(fenced, next);
    expect(await plain.tryAcquire(attempt(request.key))).toMatchObject({ status: 'busy' });
  });

  it('many at once, contended and not: each key has one holder, and all go free', async () => {
    const clients = [await rig.adapter({ fencing: false }), await rig.adapter({ fencing: false })];
    const names = Array.from({ length: 40 }, () => newName());
    const requests = clients.map(() => names.map((key) => attempt(key, { ttlMs: 60_000 })));
    const outcomes = await Promise.all(
      clients.map((client, i) => Promise.all(requests[i]!.map((request) => client.tryAcquire(request)))),
    );
    for (const [n] of names.entries()) {
      expect(outcomes.filter((of) => of[n]!.status === 'granted').length).toBeLessThanOrEqual(1);
    }
    const released = await Promise.all(
      clients.flatMap((client, i) =>
        requests[i]!.filter((_, n) => outcomes[i]![n]!.status === 'granted').map((request) => client.release(request)),
      ),
    );
    expect(released.every((outcome) => outcome === 'released')).toBe(true);
    await until('all are free', async () => {
      const left = await Promise.all(names.map((name) => rig.votes(name)));
      return left.every((votes) => votes === 0);
    });
  });

  it('H25: data of another type on a majority is LOCK_FOREIGN_KEY and left untouched', async () => {
    const adapter = await rig.adapter({ fencing: false });
    const key = newName();
    for (const server of rig.servers.slice(0, 3)) await server.command('LPUSH', `lock:${key}`, 'data');
    await expect(adapter.tryAcquire(attempt(key))).rejects.toEqual(lockError('LOCK_FOREIGN_KEY', { retryable: false }));
    expect(await rig.servers[0]!.command('LRANGE', `lock:${key}`, 0, -1)).toEqual(['data']);
  });
});

it('a grant says whether other clients wait', async () => {
  const [adapter, other] = [await rig.adapter(), await rig.adapter()];
  const key = newName();
  const [own, foreign] = [new AbortController(), new AbortController()];
  const waiting = async (tokens = 65) => {
    const request = attempt(key, { tokens });
    const granted = await grant(adapter, request);
    await adapter.release(request);
    return granted.waiting;
  };
  expect(await waiting()).toBe(0);
  await adapter.whenFree?.(key, own.signal);
  expect(await waiting()).toBe(0);
  await other.whenFree?.(key, foreign.signal);
  expect(await waiting()).toBe(1);
  // Who hands nothing over does not ask.
  expect(await waiting(1)).toBe(undefined);
  foreign.abort();
  await until('the other stopped waiting', async () => (await waiting()) === 0);
  own.abort();
});
