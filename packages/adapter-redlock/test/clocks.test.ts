import { afterEach, expect, it, vi } from 'vitest';
import { attempt, grant, lockError, newName, until } from '../../redis-protocol/test/support/helpers.ts';
import { useRig } from './support/rig.ts';

const rig = useRig();
const hourMs = 3_600_000;
const yearMs = 365 * 24 * hourMs;
const monthMs = 30 * 24 * hourMs;

afterEach(() => vi.restoreAllMocks());

it.each([25 * hourMs, -25 * hourMs, 30 * yearMs, -30 * yearMs, 3_000 * yearMs])(
  'H118: a client whose clock is wrong by %i ms proposes the time of the servers',
  async (wrongMs) => {
    const now = Date.now;
    vi.spyOn(Date, 'now').mockImplementation(() => now() + wrongMs);
    const adapter = await rig.adapter();
    const { fencingToken } = await grant(adapter, attempt(newName()));
    expect(Math.abs(Number(fencingToken) / 1_000 - now())).toBeLessThan(60_000);
  },
);

it.each([25 * hourMs, 40 * yearMs, 200 * yearMs])(
  'H118: tokens that a clock %i ms ahead has left behind block nobody, go on rising, and are kept',
  async (aheadMs) => {
    const key = newName();
    const fence = `fence:{lock:${key}}`;
    const left = Math.round((Date.now() + aheadMs) * 1_000);
    // On a majority, so that every majority has one; one node in the format of a single Redis.
    for (const [i, server] of rig.servers.slice(0, 3).entries()) {
      await server.command('SET', fence, i === 0 ? `${left} 1` : left, 'PX', 60_000);
    }
    let last = BigInt(left);
    for (const adapter of [await rig.adapter(), await rig.adapter(), await rig.adapter()]) {
      const request = attempt(key, { tokens: 65 });
      const { fencingToken } = await grant(adapter, request);
      expect(fencingToken).toBeGreaterThan(last);
      expect(fencingToken! - last).toBeLessThan(1_000n);
      last = fencingToken! + 64n;
      expect(await adapter.release(request)).toBe('released');
      await until('it is free', async () => (await rig.votes(key)) === 0);
      // Other keys are not driven ahead by it.
      if (aheadMs > 24 * hourMs) {
        const other = await grant(adapter, attempt(newName()));
        expect(Number(other.fencingToken)).toBeLessThan((Date.now() + 24 * hourMs) * 1_000);
      }
    }
    for (const server of rig.servers.slice(0, 3)) {
      expect(Number(await server.command('PTTL', fence))).toBeGreaterThan(monthMs - hourMs);
    }
  },
);

it('H118: a minority of nodes with absurd tokens drives nobody up, also with another minority away', async () => {
  const adapter = await rig.adapter();
  const key = newName();
  const fence = `fence:{lock:${key}}`;
  await grant(adapter, attempt(newName('warm')));
  await rig.servers[0]!.command('SET', fence, String(Number.MAX_SAFE_INTEGER - 10));
  for (const i of [1, 2]) await rig.servers[i]!.command('SET', fence, String((Date.now() + hourMs) * 1_000));
  await rig.servers[4]!.freeze();
  const { fencingToken } = await grant(adapter, attempt(key));
  expect(Number(fencingToken)).toBeLessThan((Date.now() + 2 * hourMs) * 1_000);
});

it('H118: without room above the tokens of a majority the lock is refused, and nothing is left locked', async () => {
  const adapter = await rig.adapter();
  const key = newName();
  for (const server of rig.servers) {
    await server.command('SET', `fence:{lock:${key}}`, String(Number.MAX_SAFE_INTEGER - 1));
  }
  await expect(adapter.tryAcquire(attempt(key))).rejects.toEqual(lockError('LOCK_FOREIGN_KEY', { retryable: false }));
  await until('no vote is left', async () => (await rig.votes(key)) === 0);
});
