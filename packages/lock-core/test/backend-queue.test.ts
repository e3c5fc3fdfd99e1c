import { describe, expect, it } from 'vitest';
import { createLocks, type LockError } from '../src/index.ts';
import { follow } from './support/outcome.ts';
import { type TwoClients, twoClients } from './support/two-clients.ts';

describe('the queue of the backend', () => {
  it('H80: an enqueue without an answer is cleaned up, and tried again under another owner', async () => {
    const { clock, adapter, locks, other } = twoClients({}, 'fifo');
    const held = await other.acquire('k');
    adapter.next('enqueue', 'rejected before', 'rejected before');
    const waiting = follow(locks.acquire('k'));
    await clock.advance(500);
    await held.release();
    await clock.advance(5);
    expect(waiting.state).toBe('resolved');
    const owners = adapter.calls.filter((call) => call.operation === 'enqueue').map((call) => call.owner);
    expect(new Set(owners).size).toBe(3);
  });

  it('H64: what a place was granted is released until nothing that was sent for it can arrive', async () => {
    const { clock, adapter, locks, other } = twoClients({}, 'fifo');
    const held = await other.acquire('k');
    const { enqueue, backend } = adapter;
    adapter.enqueue = async (attempt) => {
      adapter.enqueue = enqueue!;
      attempt.onQueued?.();
      await held.release();
      await backend.tryAcquire(attempt);
      // Its claim is still on its way when the connection breaks.
      clock.setTimeout(() => void backend.tryAcquire(attempt), 4_000);
      throw new Error('connection reset');
    };
    const waiting = follow(locks.acquire('k', { ttlMs: 60_000 }));
    await clock.advance(1_000);
    await waiting.value?.release();
    expect(await backend.inspect?.('k')).toBe(undefined);
    await clock.advance(3_001);
    expect(await backend.inspect?.('k')).toBeDefined();
    await clock.advance(4_000);
    expect(await backend.inspect?.('k')).toBe(undefined);
  });

  it('a queue that fails for backendTimeoutMs is LOCK_BACKEND', async () => {
    const { clock, adapter, locks, other } = twoClients({ backendTimeoutMs: 3_000 }, 'fifo');
    await other.acquire('k');
    adapter.otherwise('enqueue', 'rejected before');
    const waiting = follow(locks.acquire('k'));
    await clock.advance(5_000);
    expect(waiting.error).toMatchObject({ code: 'LOCK_BACKEND' });
  });

  it('a grant that comes after the abort is given back', async () => {
    const { clock, adapter, locks, other } = twoClients({}, 'fifo');
    const held = await other.acquire('k');
    adapter.next('enqueue', { replyAfterMs: 500 });
    const controller = new AbortController();
    const waiting = follow(locks.acquire('k', { signal: controller.signal }));
    await clock.advance(10);
    await held.release();
    await clock.advance(100);
    expect(waiting.state).toBe('pending');
    controller.abort();
    await clock.advance(5_000);
    expect(waiting.state).toBe('rejected');
    expect(await adapter.backend.inspect?.('k')).toBe(undefined);
  });

  it('H42: close waits until the places of its waiters are given up', async () => {
    const { clock, adapter, locks, other } = twoClients({}, 'fifo');
    await other.acquire('k');
    let withdrawn = false;
    adapter.enqueue = (_attempt, signal) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          clock.setTimeout(() => {
            withdrawn = true;
            reject(signal.reason);
          }, 200);
        });
      });
    void locks.acquire('k').catch(() => {});
    await clock.advance(10);
    const closing = follow(locks.close());
    await clock.advance(150);
    expect(closing.state).toBe('pending');
    await clock.advance(100);
    expect([withdrawn, closing.state]).toEqual([true, 'resolved']);
  });

  it('a caller whose time is over when the answer comes is told that the lock was busy, and no place is asked for', async () => {
    const { clock, adapter, locks, other } = twoClients({}, 'fifo');
    await other.acquire('k');
    adapter.next('tryAcquire', { replyAfterMs: 500 });
    adapter.otherwise('enqueue', 'rejected before');
    const waiting = follow(locks.acquire('k', { waitMs: 100 }));
    await clock.advance(510);
    expect(waiting.error).toMatchObject({ code: 'LOCK_TIMEOUT' });
    expect(adapter.calls.filter(({ operation }) => operation === 'enqueue')).toEqual([]);
  });

  for (const confirmedAfterMs of [0, 60, 150]) {
    it(`a place that is confirmed after ${confirmedAfterMs} ms waits for waitMs and not for a whole attempt`, async () => {
      const { clock, adapter, locks, other } = twoClients({}, 'fifo');
      await other.acquire('k');
      adapter.enqueue = (attempt, signal) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
          clock.setTimeout(() => attempt.onQueued?.(), confirmedAfterMs);
        });
      const waiting = follow(locks.acquire('k', { waitMs: 100 }));
      await clock.advance(99);
      expect(waiting.state).toBe('pending');
      await clock.advance(Math.max(0, confirmedAfterMs - 100) + 2);
      expect(waiting.error).toMatchObject({ code: 'LOCK_TIMEOUT' });
      await clock.advance(60_000);
      expect(clock.pending).toBe(1);
      await other.close();
      expect(clock.pending).toBe(0);
    });
  }

  it('a grant that arrives while the loss of the former hold closes the locks is released', async () => {
    const { clock, adapter, locks, other } = twoClients({ ttlMs: 3_000, localRun: { count: 0 } }, 'fifo');
    const held = await locks.acquire('k', { autoRenew: false });
    let closing: Promise<void> | undefined;
    held.signal.addEventListener('abort', () => {
      closing = locks.close();
    });
    const waiting = follow(locks.acquire('k'));
    await clock.advance(10);
    await adapter.backend.forceRelease!('k');
    await clock.advance(10);
    expect(held.state).toBe('lost');
    expect(waiting.error).toMatchObject({ code: 'LOCK_CLOSED' });
    await closing;
    expect(clock.pending).toBe(0);
    expect(await other.inspect('k')).toBe(undefined);
  });
});

describe('one place for the waiters of a process', () => {
  const enqueued = (adapter: TwoClients['adapter']) => adapter.calls.filter(({ operation }) => operation === 'enqueue');

  it('H39: however many wait, one of them is queued in the backend, and serves the others by hand-over', async () => {
    const { clock, adapter, locks, other } = twoClients({}, 'fifo');
    const held = await other.acquire('k');
    const tokens: bigint[] = [];
    const all = Array.from({ length: 50 }, () => locks.using('k', (lock) => void tokens.push(lock.fencingToken!)));
    await clock.advance(1_000);
    expect(enqueued(adapter).length).toBe(1);
    expect((await other.inspect('k'))?.waiters).toBe(1);
    await held.release();
    await Promise.all(all);
    expect(adapter.calls.map(({ operation }) => operation)).toEqual(['tryAcquire', 'enqueue', 'release']);
    for (const [i, token] of tokens.slice(1).entries()) expect(token).toBe(tokens[i]! + 1n);
  });

  it('after localRun.count hand-overs it queues again, behind the other processes', async () => {
    const { clock, locks, other } = twoClients({ localRun: { count: 2 } }, 'fifo');
    const held = await other.acquire('k');
    const order: string[] = [];
    const mine = (name: string) => locks.using('k', () => void order.push(name));
    const all = ['a', 'b', 'c', 'd', 'e'].map(mine);
    await clock.advance(1);
    all.push(other.using('k', () => void order.push('other')));
    await clock.advance(1);
    await held.release();
    await clock.advance(5);
    await Promise.all(all);
    expect(order).toEqual(['a', 'b', 'c', 'other', 'd', 'e']);
  });

  it('the place of a waiter that leaves keeps its position for the next one', async () => {
    const { clock, adapter, locks, other } = twoClients({}, 'fifo');
    const third = createLocks(adapter.backend, { clock });
    const held = await other.acquire('k');
    const controller = new AbortController();
    const leaving = follow(locks.acquire('k', { signal: controller.signal }));
    const late = follow(locks.acquire('k', { waitMs: 50 }));
    const next = follow(locks.acquire('k'));
    await clock.advance(1);
    const behind = follow(third.acquire('k'));
    await clock.advance(1);
    controller.abort('enough');
    await clock.advance(60);
    expect([leaving.error, (late.error as LockError).code]).toEqual(['enough', 'LOCK_TIMEOUT']);
    expect(enqueued(adapter).length).toBe(1);
    await held.release();
    await clock.advance(1);
    expect([next.state, behind.state]).toEqual(['resolved', 'pending']);
    await next.value?.release();
    await clock.advance(1);
    expect(behind.state).toBe('resolved');
  });

  it('a place is not passed on to a waiter with another TTL, which asks anew', async () => {
    const { clock, adapter, locks, other } = twoClients({}, 'fifo');
    const held = await other.acquire('k');
    const controller = new AbortController();
    const leaving = follow(locks.acquire('k', { signal: controller.signal }));
    const next = follow(locks.acquire('k', { ttlMs: 5_000 }));
    await clock.advance(1);
    controller.abort();
    await clock.advance(1);
    expect(leaving.state).toBe('rejected');
    expect(enqueued(adapter).length).toBe(2);
    expect((await other.inspect('k'))?.waiters).toBe(1);
    await held.release();
    await clock.advance(1);
    expect(next.value?.remainingMs).toBeLessThanOrEqual(5_000);
  });

  it('when the last waiter leaves, the place is withdrawn', async () => {
    const { clock, locks, other } = twoClients({}, 'fifo');
    await other.acquire('k');
    const controller = new AbortController();
    const all = Array.from({ length: 100 }, () => follow(locks.acquire('k', { signal: controller.signal })));
    await clock.advance(1);
    controller.abort();
    await clock.advance(1);
    expect(all.every(({ state }) => state === 'rejected')).toBe(true);
    expect((await other.inspect('k'))?.waiters).toBe(0);
  });

  it('localRun.count 0 gives each waiter a place of its own', async () => {
    const { clock, adapter, locks, other } = twoClients({ localRun: { count: 0 } }, 'fifo');
    const held = await createLocks(adapter.backend, { clock }).acquire('k');
    const order: number[] = [];
    const all: Promise<void>[] = [];
    for (let i = 0; i < 6; i += 1) {
      all.push((i % 2 ? other : locks).using('k', () => void order.push(i)));
      await clock.advance(1);
    }
    expect((await other.inspect('k'))?.waiters).toBe(4);
    await held.release();
    await clock.advance(1);
    await Promise.all(all);
    // The other process has local hand-over.
    expect(order).toEqual([0, 1, 3, 5, 2, 4]);
  });

  it('a waiter behind a place that is never confirmed is told so: LOCK_BACKEND, not LOCK_TIMEOUT', async () => {
    const { clock, adapter, locks, other } = twoClients({ attemptTimeoutMs: 100 }, 'fifo');
    await other.acquire('k');
    adapter.otherwise('enqueue', 'request lost');
    const first = follow(locks.acquire('k'));
    const behind = follow(locks.acquire('k', { waitMs: 500 }));
    await clock.advance(501);
    expect(behind.error).toMatchObject({ code: 'LOCK_BACKEND' });
    await clock.advance(10_000);
    expect(first.error).toMatchObject({ code: 'LOCK_BACKEND' });
  });

  it('those who wait behind a silent place fail with it, and the rest goes on', async () => {
    const { clock, adapter, locks, other } = twoClients({ backendTimeoutMs: 1_000 }, 'fifo');
    const held = await other.acquire('k');
    adapter.next('enqueue', 'request lost');
    const first = follow(locks.acquire('k'));
    await clock.advance(500);
    const young = follow(locks.acquire('k'));
    await clock.advance(501);
    expect(first.error).toMatchObject({ code: 'LOCK_BACKEND' });
    expect(young.state).toBe('pending');
    await held.release();
    await clock.advance(10);
    expect(young.state).toBe('resolved');
  });
});
