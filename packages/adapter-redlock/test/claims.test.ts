import { ioredisAdapter } from '@holdfast/adapter-ioredis';
import type { AcquireAttempt, Claim, LockAdapter } from '@holdfast/lock-core';
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { attempt, grant, lockError, newName, until } from '../../redis-protocol/test/support/helpers.ts';
import { redlockOver } from './support/nodes.ts';
import { useRig } from './support/rig.ts';

const rig = useRig();
const shared: Claim = { mode: 'shared' };
const permits = (count: number, limit: number): Claim => ({ mode: 'permits', permits: count, limit });

describe('permits', () => {
  it('H108: with permitQuorum a limit for which it is too few is refused before anything is sent, with the numbers', async () => {
    const adapter = await rig.adapter({ permitQuorum: 4 });
    const key = newName();
    await expect(adapter.tryAcquire(attempt(key, { claim: permits(1, 4) }))).rejects.toEqual(
      lockError('LOCK_INVALID_ARGUMENT', {
        retryable: false,
        message: expect.stringMatching(
          /limit of 4 is not safe on 5 .* 4 have to grant .* 5 permits, since \(4 \+ 1\) \* 4 is not above 5 \* 4.* up to 3 .* needs 5 nodes/,
        ),
      }),
    );
    expect(await rig.votes(key)).toBe(0);
  });

  it('H108: as many nodes may be down as a limit leaves, and with one more no permit is given', async () => {
    const adapter = await rig.adapter();
    const key = newName();
    rig.servers[0]!.freeze();
    const held = [];
    for (let i = 0; i < 3; i++) {
      const request = attempt(key, { claim: permits(1, 3) });
      held.push({ ...request, ...(await grant(adapter, request)) });
    }
    expect(await adapter.tryAcquire(attempt(key, { claim: permits(1, 3) }))).toMatchObject({ status: 'busy' });
    await adapter.release(held.pop()!);
    rig.servers[1]!.freeze();
    await expect(adapter.tryAcquire(attempt(key, { claim: permits(1, 3), ttlMs: 1_000 }))).rejects.toEqual(
      lockError('LOCK_BACKEND', { message: expect.stringContaining('Fewer than 4 of the 5') }),
    );
  });

  it.each([2, 3.5, 6, '4', Number.NaN])('permitQuorum %s of 5 nodes is refused', async (permitQuorum) => {
    await expect(redlockOver(rig.servers, { permitQuorum: permitQuorum as number })).rejects.toEqual(
      lockError('LOCK_INVALID_ARGUMENT', { message: expect.stringContaining('permitQuorum') }),
    );
  });
});

it('the longest of all leases, beside others: granted, renewed and released', async () => {
  const adapter = await rig.adapter();
  const ttlMs = Number.MAX_SAFE_INTEGER;
  for (const claim of [shared, permits(1, 2)]) {
    const key = newName();
    const held = [];
    for (let i = 0; i < 2; i++) {
      const request = attempt(key, { claim, ttlMs });
      held.push({ key, claim, owner: request.owner, ...(await grant(adapter, request)) });
    }
    for (const hold of held) expect(await adapter.renew(hold, ttlMs)).toMatchObject({ status: 'renewed' });
    for (const hold of held) expect(await adapter.release(hold)).toBe('released');
    expect(await adapter.inspect?.(key)).toBeUndefined();
  }
});

describe('who waits', () => {
  /** Holds the key by one after another of those that `first` is of, so that it is never free, for as long as the next one gets in. */
  async function relay(adapters: readonly LockAdapter[], first: AcquireAttempt, isOver: () => boolean) {
    const { key, claim } = first;
    let last = first;
    for (let i = 1; !isOver(); i++) {
      const next = attempt(key, { claim });
      const { status } = await adapters[i % 2]!.tryAcquire(next);
      await adapters[(i + 1) % 2]!.release(last);
      if (status === 'busy') return;
      last = next;
    }
    throw new Error('the others never stood back');
  }

  it.each<[string, Claim, Claim]>([
    ['H91: a writer is let in though readers come and go without a gap', shared, { mode: 'exclusive' }],
    ['a request for all permits is let in though smaller ones come and go without a gap', permits(1, 3), permits(3, 3)],
  ])('%s', async (_, small, large) => {
    const adapters = [await rig.adapter(), await rig.adapter()];
    const locks = await rig.locks();
    const key = newName();
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
    }, 10_000);
    const first = attempt(key, { claim: small });
    await grant(adapters[0]!, first);
    const relaying = relay(adapters, first, () => isLate);
    const waiting = large.mode === 'permits' ? locks.semaphore(key, 3).acquire({ permits: 3 }) : locks.acquire(key);
    await relaying;
    clearTimeout(timer);
    const lock = await waiting;
    expect(lock.mode).toBe(large.mode);
    await lock.release();
    // Nothing of it keeps the others away.
    await until('the others are let in', async () => {
      const next = attempt(key, { claim: small });
      return (await adapters[0]!.tryAcquire(next)).status === 'granted';
    });
  });
});

describe('tokens and downgrades', () => {
  it('H36: a reader whose nodes have seen different tokens has the highest of them, and leaves it on a majority', async () => {
    const adapter = await rig.adapter();
    const key = newName();
    const fence = `fence:{lock:${key}}`;
    const written = 4_000_000_000_000_000;
    for (const server of rig.servers.slice(0, 3)) await server.command('SET', fence, String(written));
    for (const server of rig.servers.slice(0, 2)) server.freeze();
    const { fencingToken } = await grant(adapter, attempt(key, { claim: shared, ttlMs: 3_000 }));
    expect(fencingToken).toBe(BigInt(written));
    for (const server of rig.servers.slice(2)) expect(await server.command('GET', fence)).toBe(String(written));
  });

  it('H98: a downgrade that a minority has missed is made good there by the next renewal', async () => {
    const adapter = await rig.adapter();
    const request = attempt(newName(), { ttlMs: 60_000 });
    const { fencingToken } = await grant(adapter, request);
    await until('all nodes voted', async () => (await rig.votes(request.key)) === 5);
    for (const proxy of rig.proxies.slice(0, 2)) {
      proxy.refuse();
      proxy.cut();
    }
    const hold = { key: request.key, owner: request.owner, fencingToken };
    expect(await adapter.downgrade!(hold, 60_000)).toMatchObject({ status: 'renewed' });
    expect(await adapter.inspect!(request.key)).toMatchObject({ owner: request.owner, mode: 'shared', fencingToken });
    await Promise.all(rig.proxies.map((proxy) => proxy.heal()));
    const values = () => Promise.all(rig.servers.map((server) => server.command('GET', `lock:${request.key}`)));
    expect((await values()).filter((value) => value === '(shared)')).toHaveLength(3);
    await until('all nodes have it', async () => {
      expect(await adapter.renew({ ...hold, claim: shared }, 60_000)).toMatchObject({ status: 'renewed' });
      return (await values()).every((value) => value === '(shared)');
    });
    await grant(adapter, attempt(request.key, { claim: shared }));
  });
});

it('H113: the owner that asks again around a downgrade keeps the hold that is shared now', async () => {
  const adapter = await rig.adapter();
  const request = attempt(newName(), { ttlMs: 60_000 });
  const { fencingToken } = await grant(adapter, request);
  const hold = { key: request.key, owner: request.owner, fencingToken };
  // As requests that were repeated and are answered late; they wait for each other.
  const again = [1, 2, 3].map(() => adapter.tryAcquire(request));
  expect(await adapter.downgrade!(hold, 60_000)).toMatchObject({ status: 'renewed' });
  for (const outcome of await Promise.all(again)) expect(outcome).toMatchObject({ status: 'granted', fencingToken });
  expect(await adapter.renew({ ...hold, claim: shared }, 60_000)).toMatchObject({ status: 'renewed' });
  await grant(adapter, attempt(request.key, { claim: shared }));
});

describe('H117: a single Redis and Redlock over it share the formats of shared locks and permits', () => {
  async function both() {
    const [server] = rig.servers;
    const client = new Redis(server!.port, server!.host);
    const single = ioredisAdapter(client);
    onTestFinished(async () => {
      await single.close?.();
      client.disconnect();
    });
    return { single, redlock: await rig.adapter({}, [server!]) };
  }

  it.each<[string, Claim, Claim]>([
    ['readers', shared, { mode: 'exclusive' }],
    ['permits', permits(2, 5), permits(2, 5)],
  ])('%s of both are held beside each other, and seen, renewed and released', async (_, claim, more) => {
    const { single, redlock } = await both();
    const key = newName();
    const warm = attempt(key);
    await grant(redlock, warm);
    await redlock.release(warm);
    const requests = [attempt(key, { claim, ttlMs: 60_000 }), attempt(key, { claim, ttlMs: 60_000 })] as const;
    await grant(single, requests[0]);
    await grant(redlock, requests[1]);
    for (const adapter of [single, redlock]) {
      expect(await adapter.tryAcquire(attempt(key, { claim: more }))).toMatchObject({ status: 'busy' });
      expect(await adapter.inspect!(key)).toMatchObject({ owner: requests[0].owner, mode: claim.mode, holders: 2 });
    }
    expect(await single.renew(requests[0], 50_000)).toMatchObject({ status: 'renewed' });
    expect(await redlock.renew(requests[1], 50_000)).toMatchObject({ status: 'renewed' });
    expect(await redlock.forceRelease!(key, requests[0].owner)).toBe(true);
    expect(await single.renew(requests[0], 50_000)).toEqual({ status: 'lost' });
    expect(await single.forceRelease!(key)).toBe(true);
    expect(await redlock.renew(requests[1], 50_000)).toEqual({ status: 'lost' });
    await grant(single, attempt(key));
  });
});

it('where the nodes have lost who shares a key, it is held by nobody known until the leases are over', async () => {
  const adapter = await rig.adapter();
  const request = attempt(newName(), { claim: shared });
  await grant(adapter, request);
  await until('all voted', async () => (await rig.votes(request.key)) === 5);
  for (const server of rig.servers) await server.command('DEL', `fence:queue:{lock:${request.key}}`);
  expect(await adapter.inspect!(request.key)).toMatchObject({ key: request.key, owner: '(shared)' });
  expect(await adapter.tryAcquire(attempt(request.key))).toMatchObject({ status: 'busy' });
});
