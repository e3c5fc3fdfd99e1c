import { describe, expect, it } from 'vitest';
import { memoryAdapter } from '../../adapter-memory/src/index.ts';
import { createLocks, LockError } from '../src/index.ts';
import { newId } from '../src/owner.ts';
import { manualClock } from '../src/testing.ts';
import { faultyAdapter } from './support/faulty-adapter.ts';
import { codeOf, follow } from './support/outcome.ts';

const setUp = (fairness: 'none' | 'fifo' = 'none') => {
  const clock = manualClock();
  const adapter = faultyAdapter(clock, { fairness });
  return { clock, adapter, locks: createLocks(adapter, { ttlMs: 3_000, clock }) };
};

describe('release', () => {
  it('is idempotent, and frees once', async () => {
    const { adapter, locks } = setUp();
    const lock = await locks.acquire('k');
    expect(await Promise.all([lock.release(), lock.release()])).toEqual(['released', 'released']);
    expect(await lock.release()).toBe('released');
    expect(adapter.count('release')).toBe(1);
    expect(lock.remainingMs).toBe(0);
    expect(() => lock.assertHeld()).toThrow(/released/);
  });

  it('tells when the lock was gone before', async () => {
    const { adapter, locks } = setUp();
    const lock = await locks.acquire('k');
    await adapter.backend.forceRelease?.('k');
    expect(await lock.release()).toBe('lost');
    expect(lock.state).toBe('lost');
  });

  it('H7: of an old holder leaves the new one alone', async () => {
    const { clock, adapter, locks } = setUp();
    const old = await locks.acquire('k', { autoRenew: false });
    clock.stall(3_500);
    const next = await createLocks(adapter.backend, { clock }).acquire('k');
    expect(await old.release()).toBe('lost');
    expect(await locks.tryAcquire('k')).toBe(undefined);
    expect(next.state).toBe('held');
  });

  it('H26: of one of many that expired frees the others', async () => {
    const { adapter, locks } = setUp();
    const all = await Promise.all(['a', 'b', 'c'].map((key) => locks.acquire(key)));
    await adapter.backend.forceRelease?.('b');
    expect(await Promise.all(all.map((lock) => lock.release()))).toEqual(['released', 'lost', 'released']);
    for (const key of ['a', 'b', 'c']) expect(await adapter.backend.inspect?.(key)).toBe(undefined);
  });
});

describe('close', () => {
  for (const fairness of ['none', 'fifo'] as const) {
    it(`fails the waiting, releases the held, refuses the new, leaves no timer (${fairness})`, async () => {
      const { clock, adapter, locks } = setUp(fairness);
      const held = await locks.acquire('k');
      const { signal } = held;
      const waiting = [follow(locks.acquire('k')), follow(locks.acquire('k', { waitMs: 9_000 }))];
      adapter.next('tryAcquire', { replyAfterMs: 100 });
      const trying = follow(locks.tryAcquire('j'));
      await clock.advance(1);
      const closing = follow(locks.close());
      await clock.advance(5_000);
      expect(closing.state).toBe('resolved');
      for (const one of [...waiting, trying]) expect(one.error).toMatchObject({ code: 'LOCK_CLOSED' });
      expect(held.state).toBe('lost');
      expect(signal.reason).toMatchObject({ code: 'LOCK_LOST' });
      expect(await held.release()).toBe('lost');
      expect(await codeOf(locks.acquire('k'))).toBe('LOCK_CLOSED');
      expect(await codeOf(locks.tryAcquire('k'))).toBe('LOCK_CLOSED');
      expect(await codeOf(locks.inspect('k'))).toBe('LOCK_CLOSED');
      expect(clock.pending).toBe(0);
      await locks.close();
    });

    it(`gives back what it held (${fairness})`, async () => {
      const clock = manualClock();
      const { memoryStore } = await import('../../adapter-memory/src/index.ts');
      const store = memoryStore();
      const locks = createLocks(memoryAdapter({ clock, fairness, store }), { clock });
      for (let i = 0; i < 100; i += 1) await locks.acquire(`k${i}`);
      await locks[Symbol.asyncDispose]();
      const others = createLocks(memoryAdapter({ clock, fairness, store }), { clock });
      for (let i = 0; i < 100; i += 1) expect(await others.tryAcquire(`k${i}`)).toBeDefined();
    });
  }
});

describe('inspect and forceRelease', () => {
  it('tell and free', async () => {
    const { locks } = setUp();
    expect(await locks.inspect('k')).toBe(undefined);
    expect(await locks.forceRelease('k')).toBe(false);
    const lock = await locks.acquire('k');
    expect(await locks.inspect('k')).toMatchObject({ key: 'k', fencingToken: lock.fencingToken });
    expect(await locks.forceRelease('k')).toBe(true);
    expect(lock.state).toBe('lost');
    expect(await locks.tryAcquire('k')).toBeDefined();
  });

  it('free the key of the named owner only', async () => {
    const { locks } = setUp();
    const lock = await locks.acquire('k');
    const { owner } = (await locks.inspect('k'))!;
    expect(await locks.forceRelease('k', `${owner}2`)).toBe(false);
    expect(lock.state).toBe('held');
    expect(await locks.forceRelease('k', owner)).toBe(true);
    expect(lock.state).toBe('lost');
    expect(await codeOf(locks.forceRelease('k', 1 as never))).toBe('LOCK_INVALID_ARGUMENT');
  });

  it('are LOCK_UNSUPPORTED where the adapter has none', async () => {
    const clock = manualClock();
    const locks = createLocks(faultyAdapter(clock, { omit: ['inspect', 'forceRelease'] }), { clock });
    expect(await codeOf(locks.inspect('k'))).toBe('LOCK_UNSUPPORTED');
    expect(await codeOf(locks.forceRelease('k'))).toBe('LOCK_UNSUPPORTED');
  });
});

it('a definite refusal of the adapter is passed on at once', async () => {
  const { adapter, locks } = setUp();
  adapter.tryAcquire = () => Promise.reject(new LockError('LOCK_FOREIGN_KEY', 'a list is stored there', { key: 'k' }));
  expect(await codeOf(locks.acquire('k'))).toBe('LOCK_FOREIGN_KEY');
  expect(await codeOf(locks.tryAcquire('k'))).toBe('LOCK_FOREIGN_KEY');
});

it('an adapter that throws instead of rejecting is as good as one that rejects', async () => {
  const { clock, adapter, locks } = setUp();
  adapter.tryAcquire = () => {
    throw new Error('synchronous');
  };
  const trying = codeOf(locks.tryAcquire('k'));
  await clock.advance(3_000);
  expect(await trying).toBe('LOCK_BACKEND');
});

it('H3: 100,000 owner values are distinct, of 128 bits', () => {
  const ids = new Set(Array.from({ length: 100_000 }, newId));
  expect(ids.size).toBe(100_000);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
});

it('H43: 100,000 failed attempts and as many locks leave nothing behind', async () => {
  const { clock, locks } = setUp();
  await locks.acquire('busy');
  const { signal } = new AbortController();
  for (let i = 0; i < 50_000; i += 1) {
    expect(await locks.tryAcquire('busy', { signal })).toBe(undefined);
    await (await locks.acquire(`k${i}`, { signal })).release();
  }
  expect(clock.pending).toBeLessThanOrEqual(1);
  await locks.close();
});

it('H90: 10,000 locks are held side by side, and none is disturbed', async () => {
  const { clock, locks } = setUp();
  const all = await Promise.all(Array.from({ length: 10_000 }, (_, i) => locks.acquire(`k${i}`)));
  await clock.advance(7_000);
  expect(all.every((lock) => lock.state === 'held')).toBe(true);
  await locks.close();
});
