import { ioredisAdapter } from '@holdfast/adapter-ioredis';
import type { LockAdapter } from '@holdfast/lock-core';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { attempt, grant, newName, until } from '../../redis-protocol/test/support/helpers.ts';
import { redlockOver } from './support/nodes.ts';
import { useRig } from './support/rig.ts';

const rig = useRig();
const clients: Redis[] = [];
const adapters: LockAdapter[] = [];
afterEach(async () => {
  for (const adapter of adapters.splice(0)) await adapter.close?.();
  for (const client of clients.splice(0)) client.disconnect();
});

/** `redis://a` and `redlock://a,b,c`; `away` is one of b and c. */
async function both() {
  const [a, b, c] = rig.servers;
  const client = new Redis(a!.port, a!.host);
  clients.push(client);
  const single = ioredisAdapter(client);
  const redlock = await redlockOver([a!, b!, c!]);
  adapters.push(single, redlock);
  await grant(redlock, attempt(newName('warm')));
  return { single, redlock, b: b!, c: c! };
}

const names = ['plain', 'a{t}b', 'a}b', 'ü'];

describe.each(names)('H117: a single Redis and Redlock over it share the formats of %j', (label) => {
  it('from Redis to Redlock and back every node keeps its vote, and tokens rise', async () => {
    const { single, redlock, b, c } = await both();
    const key = newName(label);
    let last = 0n;
    const once = async (adapter: LockAdapter, tokens: number): Promise<void> => {
      const request = attempt(key, { tokens });
      const { fencingToken, tokens: count = 1 } = await grant(adapter, request);
      expect(fencingToken).toBeGreaterThan(last);
      last = fencingToken! + BigInt(count) - 1n;
      expect(await adapter.release(request)).toBe('released');
    };
    for (const away of [undefined, c, b]) {
      await once(single, 1);
      await once(single, 65);
      // With one node away, the vote of the one that the single Redis used is needed.
      away?.freeze();
      await once(redlock, 1);
      await once(redlock, 65);
      away?.thaw();
      await until('it is free', async () => (await rig.votes(key)) === 0);
    }
    await once(single, 1);
  });

  it('what one holds, the other leaves alone', async () => {
    const { single, redlock, c } = await both();
    const key = newName(label);
    const bySingle = attempt(key, { ttlMs: 60_000 });
    await grant(single, bySingle);
    c.freeze();
    // Its node votes for nobody else, so with another one away there is no majority.
    expect(await redlock.tryAcquire(attempt(key))).toMatchObject({ status: 'busy' });
    expect(await single.renew(bySingle, 60_000)).toMatchObject({ status: 'renewed' });
    expect(await single.release(bySingle)).toBe('released');
    const byRedlock = attempt(key, { ttlMs: 60_000 });
    const { fencingToken } = await grant(redlock, byRedlock);
    const other = attempt(key);
    expect(await single.tryAcquire(other)).toMatchObject({ status: 'busy' });
    expect(await single.release(other)).toBe('not-held');
    expect(await single.inspect?.(key)).toMatchObject({ key });
    expect(await redlock.renew({ ...byRedlock, fencingToken }, 60_000)).toMatchObject({ status: 'renewed' });
    expect(await redlock.release(byRedlock)).toBe('released');
  });
});

it('H112, H117: what a single Redis holds can be seen and freed through Redlock by its owner', async () => {
  const { single } = await both();
  const redlock = await redlockOver([rig.servers[0]!]);
  adapters.push(redlock);
  const request = attempt(newName(), { ttlMs: 60_000 });
  await grant(single, request);
  expect(await redlock.inspect?.(request.key)).toMatchObject({ owner: request.owner });
  expect(await redlock.forceRelease!(request.key, 'another')).toBe(false);
  expect(await redlock.forceRelease!(request.key, request.owner)).toBe(true);
  expect(await single.inspect?.(request.key)).toBeUndefined();
});

it('H117: a fence key of a single Redis that is about to expire is kept', async () => {
  const { single, redlock } = await both();
  const key = newName();
  const request = attempt(key);
  await grant(single, request);
  await single.release(request);
  const fence = `fence:{lock:${key}}`;
  await rig.servers[0]!.command('PEXPIRE', fence, 60_000);
  await grant(redlock, attempt(key));
  await until('all voted', async () => (await rig.votes(key)) === 3);
  expect(Number(await rig.servers[0]!.command('PTTL', fence))).toBeGreaterThan(29 * 24 * 3_600_000);
});
