import { describe, expect, it } from 'vitest';
import { createLocks, type HoldRef, type LockAdapter, LockError, type LocksOptions } from '../src/index.ts';
import { manualClock } from '../src/testing.ts';
import { type Fate, faultyAdapter } from './support/faulty-adapter.ts';
import { follow } from './support/outcome.ts';

function setUp(options: LocksOptions = {}) {
  const clock = manualClock();
  const adapter = faultyAdapter(clock);
  return { clock, adapter, locks: createLocks(adapter, { ttlMs: 3_000, clock, ...options }) };
}

describe('the watchdog', () => {
  it('renews every third of the lease, for as long as it is held', async () => {
    const { clock, adapter, locks } = setUp();
    const lock = await locks.acquire('k');
    await clock.advance(30_000);
    expect(lock.state).toBe('held');
    expect(adapter.count('renew')).toBeGreaterThanOrEqual(29);
    expect(adapter.count('renew')).toBeLessThanOrEqual(33);
    expect(await lock.release()).toBe('released');
  });

  for (const fate of ['request lost', 'reply lost', 'rejected before', 'rejected after'] satisfies Fate[]) {
    it(`H51, H58: two renewals in three may fail (${fate})`, async () => {
      const { clock, adapter, locks } = setUp();
      const lock = await locks.acquire('k');
      for (let i = 0; i < 10; i += 1) adapter.next('renew', fate, fate, 'ok');
      await clock.advance(20_000);
      expect(lock.state).toBe('held');
    });
  }

  it('renews over a backend whose every answer is slower than the time-out of a renewal', async () => {
    const { clock, adapter, locks } = setUp();
    adapter.otherwise('renew', { replyAfterMs: 700 });
    const lock = await locks.acquire('k');
    await clock.advance(20_000);
    expect(lock.state).toBe('held');
  });

  it('H52, H53: when all fail, exactly one loss and no unhandled rejection', async () => {
    const { clock, adapter, locks } = setUp();
    const unhandled: unknown[] = [];
    const onUnhandled = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', onUnhandled);
    const lock = await locks.acquire('k');
    let losses = 0;
    lock.signal.addEventListener('abort', () => {
      losses += 1;
    });
    adapter.otherwise('renew', 'rejected before');
    adapter.otherwise('release', 'rejected before');
    await clock.advance(60_000);
    await new Promise((resolve) => setTimeout(resolve, 20));
    process.off('unhandledRejection', onUnhandled);
    expect(losses).toBe(1);
    expect(unhandled).toEqual([]);
  });

  it('a renewal that the backend denies is a loss at once', async () => {
    const { clock, adapter, locks } = setUp();
    const lock = await locks.acquire('k');
    await adapter.backend.forceRelease?.('k');
    await clock.advance(1_000);
    expect(lock.state).toBe('lost');
  });

  it('H50: maxHoldMs ends a hung hold, and a waiter gets in', async () => {
    const { clock, adapter, locks } = setUp();
    const hung = await locks.acquire('k', { maxHoldMs: 5_000 });
    const other = createLocks(adapter.backend, { clock, ttlMs: 3_000 });
    await clock.advance(4_990);
    expect(hung.state).toBe('held');
    await clock.advance(20);
    expect(hung.state).toBe('lost');
    expect(await other.tryAcquire('k')).toBeDefined();
  });

  it('H54: no command after the release, also with a renewal on its way', async () => {
    const { clock, adapter, locks } = setUp();
    const lock = await locks.acquire('k');
    adapter.next('renew', { arrivesAfterMs: 200 });
    await clock.advance(1_000);
    expect(adapter.count('renew')).toBe(1);
    await lock.release();
    const calls = adapter.calls.length;
    await clock.advance(20_000);
    expect(adapter.calls.length).toBe(calls);
    expect(await adapter.backend.inspect?.('k')).toBe(undefined);
  });

  it('H10: a small TTL makes no hot loop', async () => {
    for (const ttlMs of [50, 200, 1_000]) {
      const { clock, adapter, locks } = setUp({ ttlMs });
      await locks.acquire('k');
      await clock.advance(ttlMs * 10);
      expect(adapter.count('renew')).toBeLessThanOrEqual(50);
    }
  });

  it('renews what is due at about the same time together', async () => {
    const { clock, adapter, locks } = setUp();
    for (let i = 0; i < 500; i += 1) await locks.acquire(`k${i}`);
    await clock.advance(30_000);
    expect(adapter.count('renew')).toBe(0);
    expect(adapter.count('renewMany')).toBeLessThanOrEqual(33);
    await locks.close();
  });

  it('C-280: renews what was acquired all over a third of a lease in one call per third, and no short hold', async () => {
    const { clock, adapter, locks } = setUp({ ttlMs: 3_000 });
    for (let i = 0; i < 100; i += 1) {
      await (await locks.acquire('short')).release();
      await locks.acquire(`k${i}`);
      await clock.advance(17);
      if (i === 20) expect(adapter.count('renew') + adapter.count('renewMany')).toBe(0);
    }
    await clock.advance(6_000);
    const before = [adapter.count('renewMany'), adapter.count('renew')];
    await clock.advance(30_000);
    expect(adapter.count('renewMany') - before[0]!).toBeLessThanOrEqual(31);
    expect(adapter.count('renew')).toBe(before[1]!);
    await locks.close();
  });

  it('H54: one lease of a batch may go while the batch is on its way', async () => {
    const { clock, adapter, locks } = setUp();
    const first = await locks.acquire('a');
    const second = await locks.acquire('b');
    adapter.next('renewMany', { replyAfterMs: 100 });
    await clock.advance(1_000);
    await first.release();
    await clock.advance(10_000);
    expect(first.state).toBe('released');
    expect(second.state).toBe('held');
  });

  it('H54: of leases that are renewed together, those that go are renewed no more, and the others are', async () => {
    const { clock, adapter, locks } = setUp();
    const held = await Promise.all(Array.from({ length: 20 }, (_, i) => locks.acquire(`k${i}`)));
    await clock.advance(1_500);
    // The first, the last, and some between; then again, so that each has changed its place among the others.
    for (const gone of [
      [0, 19, 7],
      [18, 1, 2, 17],
    ]) {
      await Promise.all(gone.map((i) => held[i]!.release()));
      adapter.calls.length = 0;
      await clock.advance(3_500);
      const stay = held.filter(({ state }) => state === 'held').map(({ key }) => key);
      const renewed = adapter.calls
        .filter(({ operation }) => operation === 'renewMany')
        .map(({ key }) => key.split(' '));
      expect(renewed.length).toBeGreaterThanOrEqual(3);
      for (const keys of renewed) expect(keys.sort()).toEqual(stay.sort());
    }
    adapter.otherwise('renewMany', 'request lost');
    await clock.advance(3_000);
    expect(held.filter(({ state }) => state === 'lost').length).toBe(13);
    await locks.close();
  });

  it('a batch with an outcome missing loses nobody', async () => {
    const { clock, adapter } = setUp();
    const short = { ...adapter, renewMany: async () => [] };
    const others = createLocks(short, { clock, ttlMs: 3_000 });
    const first = await others.acquire('a');
    const second = await others.acquire('b');
    await clock.advance(1_200);
    expect([first.state, second.state]).toEqual(['held', 'held']);
    await others.close();
  });

  it('a batch that is refused for the sake of one key loses that one alone', async () => {
    const { clock, adapter } = setUp();
    let bad = 'k7';
    let batches = 0;
    const refuseBad = (refs: readonly HoldRef[]): void => {
      batches += 1;
      if (refs.some(({ key }) => key === bad))
        throw new LockError('LOCK_BACKEND', `no permission for ${bad}`, { retryable: false });
    };
    const picky: LockAdapter = {
      ...adapter,
      renew: async (ref, ttlMs) => {
        refuseBad([ref]);
        return adapter.renew(ref, ttlMs);
      },
      renewMany: async (refs, ttlMs) => {
        refuseBad(refs);
        return adapter.renewMany!(refs, ttlMs);
      },
    };
    const others = createLocks(picky, { clock, ttlMs: 3_000 });
    const held = await Promise.all(Array.from({ length: 20 }, (_, i) => others.acquire(`k${i}`)));
    await clock.advance(1_200);
    const lost = () => held.filter(({ state }) => state !== 'held').map(({ key }) => key);
    // Not one request for each of them.
    expect(batches).toBeLessThan(12);
    // What was confirmed last stands until its end.
    expect(lost()).toEqual([]);
    await clock.advance(2_000);
    expect(lost()).toEqual(['k7']);
    expect(held[7]!.signal.reason).toMatchObject({ code: 'LOCK_LOST', cause: { message: 'no permission for k7' } });
    expect(held[7]!.signal.reason.message).toContain('no permission for k7');
    bad = 'k19';
    await clock.advance(1_500);
    bad = '';
    await clock.advance(20_000);
    expect(lost()).toEqual(['k7']);
    bad = 'k19';
    await clock.advance(20_000);
    expect(lost()).toEqual(['k7', 'k19']);
    await others.close();
  });

  for (const validForMs of [0, -1, -1e12, 1e-9, 3]) {
    it(`a renewal that is good for ${validForMs} ms neither spins nor stops the other timers`, async () => {
      const { clock, adapter, locks } = setUp();
      const lock = await locks.acquire('k');
      let renewed = 0;
      adapter.renew = async () => {
        renewed += 1;
        return { status: 'renewed', validForMs };
      };
      const held = follow(createLocks(adapter.backend, { clock }).acquire('busy'));
      const waiting = follow(locks.acquire('busy', { waitMs: 2_500 }));
      await clock.advance(3_000);
      expect(held.value?.state).toBe('held');
      expect(waiting.error).toMatchObject({ code: 'LOCK_TIMEOUT' });
      expect(lock.state).toBe('lost');
      expect(renewed).toBeLessThan(60);
    });
  }

  it('a batch of renewals that is answered with nonsense is unknown: the leases are renewed in time all the same', async () => {
    for (const reply of [undefined, null, 'OK', 7n, {}, { status: 'renewed', validForMs: 3_000 }, []]) {
      const { clock, adapter, locks } = setUp();
      const held = await Promise.all(['a', 'b', 'c'].map((key) => locks.acquire(key)));
      const { renewMany } = adapter;
      adapter.renewMany = () => {
        adapter.renewMany = renewMany!;
        return Promise.resolve(reply) as never;
      };
      await clock.advance(5_000);
      expect(held.map(({ state }) => state)).toEqual(['held', 'held', 'held']);
    }
  });
});
