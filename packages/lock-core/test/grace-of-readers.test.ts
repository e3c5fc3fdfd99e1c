import { describe, expect, it } from 'vitest';
import { cutOff, freeAfterMs, reconnect } from './support/grace.ts';
import { twoClients } from './support/two-clients.ts';

const terms = { ttlMs: 3_000, graceMs: 10_000 };

it.each([
  ['is not renewed', { autoRenew: false }, 3_500],
  ['has held for maxHoldMs', { maxHoldMs: 2_000 }, 2_500],
])('the grace of a reader that %s is not cut short by the release of another reader', async (_, own, afterMs) => {
  for (const first of [0, 1]) {
    const clients = twoClients({}, 'fifo');
    const { clock, locks } = clients;
    const all = [{ ...terms, ...own }, terms].map((options) => ({ ...options, mode: 'shared' as const }));
    const [ending, other] = first === 0 ? all : all.toReversed();
    const readers = await Promise.all([locks.acquire('k', ending), locks.acquire('k', other)]);
    // They share one lease.
    expect(clients.adapter.calls).toHaveLength(1);
    await clock.advance(afterMs);
    expect(readers.map(({ state }) => state).sort()).toEqual(['held', 'lost']);
    await readers.find(({ state }) => state === 'held')!.release();
    await clock.advance(0);
    const forMs = await freeAfterMs(clients);
    expect(forMs).toBeGreaterThan(9_000);
    expect(forMs).toBeLessThanOrEqual(10_000);
    await locks.close();
  }
});

describe('the grace of a reader beside another one ends at once', () => {
  async function twoReaders() {
    const clients = twoClients({}, 'fifo');
    const shared = { ...terms, mode: 'shared' as const };
    const lost = await clients.locks.acquire('k', { ...shared, maxHoldMs: 2_000 });
    const reads = await clients.locks.acquire('k', shared);
    await clients.clock.advance(2_500);
    expect([lost.state, reads.state]).toEqual(['lost', 'held']);
    return { ...clients, lost, reads };
  }

  it('when it releases before the other', async () => {
    const { other, lost, reads } = await twoReaders();
    await lost.release();
    expect([reads.state, await other.tryAcquire('k')]).toEqual(['held', undefined]);
    await reads.release();
    expect(await other.tryAcquire('k')).toBeDefined();
  });

  it('when it releases behind the other', async () => {
    const { clock, other, lost, reads } = await twoReaders();
    await reads.release();
    expect(await other.tryAcquire('k')).toBeUndefined();
    await lost.release();
    await clock.advance(0);
    expect(await other.tryAcquire('k')).toBeDefined();
  });

  it('when its locks are closed', async () => {
    const { locks, other, reads } = await twoReaders();
    await reads.release();
    await locks.close();
    expect(await other.tryAcquire('k')).toBeDefined();
  });

  it('but not when the other is lost too: then both graces count', async () => {
    const clients = await twoReaders();
    cutOff(clients);
    await clients.clock.advance(3_500);
    expect(clients.reads.state).toBe('lost');
    await clients.reads.release();
    reconnect(clients);
    expect(await freeAfterMs(clients)).toBeGreaterThan(8_000);
  });
});
