import { randomUUID } from 'node:crypto';
import { getEventListeners } from 'node:events';
import type { AcquireAttempt, Granted, LockAdapter } from '@holdfast/lock-core';
import { isLockError } from '@holdfast/lock-core';
import { manualClock } from '@holdfast/lock-core/testing';
import { describe, expect, it } from 'vitest';
import { memoryAdapter, memoryStore } from '../src/index.ts';

const never = new AbortController().signal;
const attempt = (owner: string, more: Partial<AcquireAttempt> = {}): AcquireAttempt => ({
  key: 'k',
  owner,
  ttlMs: 1_000,
  tokens: 1,
  signal: never,
  ...more,
});
const enqueue = (adapter: LockAdapter, owner: string, signal = never) => adapter.enqueue!(attempt(owner), signal);

describe('one adapter', () => {
  it('H7: an expired hold passes on at the moment it is looked at, without a timer', async () => {
    const clock = manualClock();
    const adapter = memoryAdapter({ clock });
    const first = (await adapter.tryAcquire(attempt('a'))) as Granted;
    expect(clock.pending).toBe(0);
    clock.stall(999);
    expect(await adapter.tryAcquire(attempt('b'))).toEqual({ status: 'busy', retryAfterMs: 1 });
    clock.stall(1);
    const second = (await adapter.tryAcquire(attempt('b'))) as Granted;
    expect(second.status).toBe('granted');
    expect(second.fencingToken).toBeGreaterThan(first.fencingToken!);
    expect(await adapter.release({ key: 'k', owner: 'a' })).toBe('not-held');
    expect(await adapter.renew({ key: 'k', owner: 'a' }, 1_000)).toEqual({ status: 'lost' });
    expect((await adapter.inspect!('k'))?.owner).toBe('b');
  });

  it('H62: tokens rise over the end of the process, and a block is never given twice', async () => {
    const clock = manualClock();
    const first = (await memoryAdapter({ clock }).tryAcquire(attempt('a', { tokens: 64 }))) as Granted;
    clock.stall(1);
    const adapter = memoryAdapter({ clock });
    const second = (await adapter.tryAcquire(attempt('b', { tokens: 64 }))) as Granted;
    expect(second.fencingToken).toBeGreaterThan(first.fencingToken! + 63n);
    expect(second.tokens).toBe(64);
    await adapter.release({ key: 'k', owner: 'b' });
    const third = (await adapter.tryAcquire(attempt('c'))) as Granted;
    expect(third.fencingToken).toBe(second.fencingToken! + 64n);
  });

  it('H9: a waiter behind a lease of 60 days keeps one timer and is served at its end', async () => {
    const clock = manualClock();
    const adapter = memoryAdapter({ clock });
    const days60 = 60 * 86_400_000;
    await adapter.tryAcquire(attempt('a', { ttlMs: days60 }));
    const waiting = enqueue(adapter, 'b');
    await clock.advance(days60 - 1);
    expect(clock.pending).toBe(1);
    expect((await adapter.inspect!('k'))?.owner).toBe('a');
    await clock.advance(1);
    expect((await waiting).status).toBe('granted');
    expect(clock.pending).toBe(0);
  });

  it('the queue is first in, first out; validity counts from the call', async () => {
    const clock = manualClock();
    const store = memoryStore();
    const [one, two] = [memoryAdapter({ store, clock }), memoryAdapter({ store })];
    await one.tryAcquire(attempt('a'));
    const order: string[] = [];
    const waits = ['b', 'c', 'd'].map((owner, i) =>
      enqueue(i % 2 ? one : two, owner).then((granted) => {
        order.push(owner);
        return granted;
      }),
    );
    expect((await one.inspect!('k'))?.waiters).toBe(3);
    await clock.advance(400);
    await one.renew({ key: 'k', owner: 'a' }, 1_000);
    await clock.advance(700);
    expect(order).toEqual([]);
    await one.release({ key: 'k', owner: 'a' });
    expect((await waits[0]!).validForMs).toBe(1_100 + 1_000);
    // The second waiter gets its turn by expiry, the third by an operator's hand.
    await clock.advance(1_000);
    expect((await waits[1]!).validForMs).toBe(2_100 + 1_000);
    expect(await two.forceRelease!('k')).toBe(true);
    await waits[2];
    expect(order).toEqual(['b', 'c', 'd']);
    expect(clock.pending).toBe(0);
  });

  it('H42: an aborted waiter leaves the queue, and its timer goes', async () => {
    const clock = manualClock();
    const store = memoryStore();
    const adapter = memoryAdapter({ store, clock });
    await adapter.tryAcquire(attempt('a'));
    const abort = new AbortController();
    const waits = [enqueue(adapter, 'b', abort.signal), enqueue(adapter, 'c')];
    abort.abort(new Error('enough'));
    await expect(waits[0]).rejects.toThrow('enough');
    await adapter.release({ key: 'k', owner: 'a' });
    await waits[1];
    expect(clock.pending).toBe(0);
    const last = new AbortController();
    const alone = enqueue(adapter, 'd', last.signal);
    expect(clock.pending).toBe(1);
    last.abort(new Error('enough'));
    await expect(alone).rejects.toThrow('enough');
    expect(clock.pending).toBe(0);
    await adapter.release({ key: 'k', owner: 'c' });
    expect(store.entries.size).toBe(0);
  });

  it('H43: a long-lived signal keeps no listener, however the waiting ended', async () => {
    const { signal } = new AbortController();
    const fifo = memoryAdapter({ clock: manualClock() });
    await fifo.tryAcquire(attempt('a'));
    const served = enqueue(fifo, 'b', signal);
    const withdrawn = expect(enqueue(fifo, 'c', signal)).rejects.toThrow();
    expect(getEventListeners(signal, 'abort')).toHaveLength(2);
    await fifo.release({ key: 'k', owner: 'c' });
    await fifo.release({ key: 'k', owner: 'a' });
    await Promise.all([served, withdrawn]);
    const hints = memoryAdapter({ clock: manualClock(), fairness: 'none' });
    await hints.whenFree!('k', signal);
    await hints.close!();
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it('H42: a release withdraws the place of its owner', async () => {
    const adapter = memoryAdapter({ clock: manualClock() });
    await adapter.tryAcquire(attempt('a'));
    const waiting = enqueue(adapter, 'b');
    waiting.catch(() => {});
    expect(await adapter.release({ key: 'k', owner: 'b' })).toBe('not-held');
    await expect(waiting).rejects.toSatisfy((error) => isLockError(error, 'LOCK_LOST'));
    expect((await adapter.inspect!('k'))?.waiters).toBe(0);
  });

  it('an owner that asks again keeps its place in the queue', async () => {
    const adapter = memoryAdapter({ clock: manualClock() });
    await adapter.tryAcquire(attempt('a'));
    const first = enqueue(adapter, 'b');
    const rejected = expect(first).rejects.toThrow('asked again');
    const third = enqueue(adapter, 'c');
    const again = enqueue(adapter, 'b');
    await rejected;
    await adapter.release({ key: 'k', owner: 'a' });
    expect((await again).status).toBe('granted');
    await adapter.release({ key: 'k', owner: 'b' });
    expect((await third).status).toBe('granted');
  });

  it('H43: abandoned holds and cancelled waiters do not pile up', async () => {
    const clock = manualClock();
    const store = memoryStore();
    const adapter = memoryAdapter({ store, clock, fairness: 'none' });
    for (let i = 0; i < 20_000; i++) {
      await adapter.tryAcquire(attempt(randomUUID(), { key: `k${i}`, ttlMs: 10 }));
      clock.stall(1);
    }
    expect(store.entries.size).toBeLessThan(2_048);
    const aborts = Array.from({ length: 100 }, () => new AbortController());
    for (const [i, { signal }] of aborts.entries()) await adapter.whenFree!(`w${i % 10}`, signal);
    expect(store.watchers.size).toBe(10);
    for (const abort of aborts) abort.abort();
    expect(store.watchers.size).toBe(0);
  });
});

describe("the flavour fairness: 'none'", () => {
  it('H37: hints follow the rules of whenFree', async () => {
    const store = memoryStore();
    const clock = manualClock();
    const [one, two] = [
      memoryAdapter({ store, clock, fairness: 'none' }),
      memoryAdapter({ store, clock, fairness: 'none' }),
    ];
    expect(one.enqueue).toBeUndefined();
    await one.tryAcquire(attempt('a'));
    const abort = new AbortController();
    await two.whenFree!('k', abort.signal);
    const [hint, other] = [two.whenFree!('k', abort.signal), two.whenFree!('k', abort.signal)];
    await one.release({ key: 'k', owner: 'a' });
    await Promise.all([hint, other]);
    const last = two.whenFree!('k', abort.signal);
    abort.abort(new Error('enough'));
    await expect(last).rejects.toThrow('enough');
    expect(store.watchers.size).toBe(0);
  });
});

describe('closing', () => {
  it('fails what waits, refuses what comes, disturbs no other adapter, is idempotent', async () => {
    for (const fairness of ['fifo', 'none'] as const) {
      const clock = manualClock();
      const store = memoryStore();
      const [one, two] = [memoryAdapter({ store, clock, fairness }), memoryAdapter({ store, clock, fairness })];
      await two.tryAcquire(attempt('a'));
      const abort = new AbortController();
      if (one.whenFree) await one.whenFree('k', abort.signal);
      const waiting = one.enqueue?.(attempt('b'), abort.signal) ?? one.whenFree!('k', abort.signal);
      const rejected = expect(waiting).rejects.toSatisfy((error) => isLockError(error, 'LOCK_CLOSED'));
      await one.close!();
      await one.close!();
      await rejected;
      expect(clock.pending).toBe(0);
      await expect(one.tryAcquire(attempt('c'))).rejects.toSatisfy((error) => isLockError(error, 'LOCK_CLOSED'));
      expect(await two.release({ key: 'k', owner: 'a' })).toBe('released');
    }
  });

  it('refuses a second clock in one store', () => {
    const store = memoryStore();
    memoryAdapter({ store, clock: manualClock() });
    expect(() => memoryAdapter({ store, clock: manualClock() })).toThrow('one clock');
  });
});
