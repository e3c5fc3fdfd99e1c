import { describe, expect, it } from 'vitest';
import { follow } from './support/outcome.ts';
import { twoClients } from './support/two-clients.ts';

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
    const { clock, adapter, locks, other } = twoClients({ ttlMs: 3_000 }, 'fifo');
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
