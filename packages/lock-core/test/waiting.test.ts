import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { codeOf, follow } from './support/outcome.ts';
import { twoClients } from './support/two-clients.ts';

for (const fairness of ['none', 'fifo'] as const) {
  describe(`waiting, backend queue: ${fairness}`, () => {
    it('gets the lock as soon as another process gives it back', async () => {
      const { clock, locks, other } = twoClients({}, fairness);
      const held = await other.acquire('k');
      const waiting = follow(locks.acquire('k'));
      await clock.advance(10_000);
      expect(waiting.state).toBe('pending');
      await held.release();
      await clock.advance(5);
      expect(waiting.state).toBe('resolved');
    });

    it('first come, first served in the process', async () => {
      const { clock, locks } = twoClients({}, fairness);
      const held = await locks.acquire('k');
      const order: number[] = [];
      const all = Array.from({ length: 20 }, (_, i) =>
        locks.using('k', () => {
          order.push(i);
        }),
      );
      await held.release();
      await clock.advance(100);
      await Promise.all(all);
      expect(order).toEqual([...order].sort((a, b) => a - b));
    });

    it('LOCK_TIMEOUT when it is busy for waitMs, not before and not much later', async () => {
      const { clock, locks, other } = twoClients({}, fairness);
      await other.acquire('k');
      const waiting = follow(locks.acquire('k', { waitMs: 5_000 }));
      const behind = follow(locks.acquire('k', { waitMs: 5_000 }));
      await clock.advance(4_999);
      expect([waiting.state, behind.state]).toEqual(['pending', 'pending']);
      await clock.advance(2);
      expect(waiting.error).toMatchObject({ code: 'LOCK_TIMEOUT', key: 'k', retryable: true });
      expect(behind.error).toMatchObject({ code: 'LOCK_TIMEOUT' });
    });

    it('waitMs 0 makes one attempt; tryAcquire gives undefined', async () => {
      const { locks, other } = twoClients({}, fairness);
      await other.acquire('k');
      expect(await codeOf(locks.acquire('k', { waitMs: 0 }))).toBe('LOCK_TIMEOUT');
      expect(await locks.tryAcquire('k')).toBe(undefined);
    });

    it('what this process holds is busy without asking', async () => {
      const { adapter, locks } = twoClients({}, fairness);
      await locks.acquire('k');
      const before = adapter.calls.length;
      expect(await locks.tryAcquire('k')).toBe(undefined);
      expect(adapter.calls.length).toBe(before);
    });

    it('an abort rejects with the reason of the signal, and H42: the next is served at once', async () => {
      const { clock, locks, other } = twoClients({}, fairness);
      const held = await other.acquire('k');
      const controller = new AbortController();
      const aborted = follow(locks.acquire('k', { signal: controller.signal }));
      const next = follow(locks.acquire('k'));
      await clock.advance(10);
      controller.abort('enough');
      await clock.advance(0);
      expect(aborted).toMatchObject({ state: 'rejected', error: 'enough' });
      await held.release();
      await clock.advance(5);
      expect(next.state).toBe('resolved');
    });

    it('a signal that is aborted already: nothing is sent', async () => {
      const { adapter, locks } = twoClients({}, fairness);
      const why = new Error('too late');
      await expect(locks.acquire('k', { signal: AbortSignal.abort(why) })).rejects.toBe(why);
      expect(adapter.calls).toEqual([]);
    });

    it('H42, H43: 1,000 waiters, half of them aborted: all others served, nothing left', async () => {
      const { clock, adapter, locks, other } = twoClients({}, fairness);
      const held = await other.acquire('k');
      const controller = new AbortController();
      let served = 0;
      const all = Array.from({ length: 1_000 }, (_, i) =>
        locks
          .using('k', i % 2 ? { signal: controller.signal } : {}, () => {
            served += 1;
          })
          .catch(() => {}),
      );
      await clock.advance(10);
      controller.abort();
      await held.release();
      for (let i = 0; i < 100 && served < 500; i += 1) await clock.advance(50);
      await Promise.all(all);
      expect(served).toBe(500);
      await clock.advance(10_000);
      expect(await adapter.backend.inspect?.('k')).toBe(undefined);
    });
  });
}

it('one signal for 1,000 waiters gets one listener, and none when they are done', async () => {
  const { clock, locks } = twoClients();
  const held = await locks.acquire('k');
  const { signal } = new AbortController();
  const all = Array.from({ length: 1_000 }, () => locks.using('k', { signal }, () => {}));
  expect(getEventListeners(signal, 'abort').length).toBe(1);
  await held.release();
  for (let i = 0; i < 50; i += 1) await clock.advance(10);
  await Promise.all(all);
  expect(getEventListeners(signal, 'abort').length).toBe(0);
});

it('1,000 waiters aborted by one signal send nothing more', async () => {
  const { clock, adapter, locks, other } = twoClients();
  await other.acquire('k');
  const controller = new AbortController();
  const all = Array.from({ length: 1_000 }, () => locks.acquire('k', { signal: controller.signal }).catch(() => {}));
  await clock.advance(10);
  const before = adapter.calls.length;
  controller.abort();
  await Promise.all(all);
  expect(adapter.calls.length).toBe(before);
});

describe('waiting without a queue in the backend', () => {
  it('H39: only the first of the process asks, however many wait', async () => {
    const { clock, adapter, locks, other } = twoClients();
    await other.acquire('k');
    for (let i = 0; i < 50; i += 1) void locks.acquire('k').catch(() => {});
    await clock.advance(10_000);
    expect(adapter.count('tryAcquire')).toBeLessThan(15);
    await locks.close();
  });

  it('H38: when all hints are lost the poll wins', async () => {
    const { clock, adapter, locks, other } = twoClients();
    const held = await other.acquire('k');
    adapter.whenFree = () => new Promise(() => {});
    const waiting = follow(locks.acquire('k'));
    await clock.advance(100);
    await held.release();
    await clock.advance(1_300);
    expect(waiting.state).toBe('resolved');
  });

  it('a failing subscription leaves the poll', async () => {
    const { clock, adapter, locks, other } = twoClients();
    const held = await other.acquire('k');
    adapter.whenFree = () => Promise.reject(new Error('no pub/sub here'));
    const waiting = follow(locks.acquire('k'));
    await clock.advance(100);
    await held.release();
    await clock.advance(400);
    expect(waiting.state).toBe('resolved');
  });

  it('without hints it polls, ever slower', async () => {
    const { clock, adapter, locks, other } = twoClients({}, 'none', ['whenFree']);
    const held = await other.acquire('k');
    const waiting = follow(locks.acquire('k'));
    await clock.advance(10_000);
    expect(adapter.count('tryAcquire')).toBeLessThan(60);
    await held.release();
    await clock.advance(310);
    expect(waiting.state).toBe('resolved');
  });

  it('H37: a release between the look and the subscription is seen', async () => {
    const { clock, adapter, locks, other } = twoClients();
    const held = await other.acquire('k');
    const real = adapter.whenFree!.bind(adapter);
    adapter.whenFree = async (key, signal) => {
      await held.release();
      return real(key, signal);
    };
    const waiting = follow(locks.acquire('k'));
    await clock.advance(50);
    expect(waiting.state).toBe('resolved');
  });

  it('asks again when the holder of the lease must be gone', async () => {
    const { clock, adapter, locks } = twoClients();
    await adapter.backend.tryAcquire({
      key: 'k',
      owner: 'crashed',
      ttlMs: 700,
      tokens: 1,
      signal: new AbortController().signal,
    });
    const waiting = follow(locks.acquire('k'));
    await clock.advance(702);
    expect(waiting.state).toBe('resolved');
  });

  it('H41: wake-ups within the wait neither shorten nor prolong it', async () => {
    const { clock, adapter, locks, other } = twoClients();
    await other.acquire('k');
    adapter.whenFree = () => new Promise((resolve) => void clock.setTimeout(resolve, 900));
    const waiting = follow(locks.acquire('k', { waitMs: 10_000 }));
    await clock.advance(9_990);
    expect(waiting.state).toBe('pending');
    await clock.advance(20);
    expect(waiting.error).toMatchObject({ code: 'LOCK_TIMEOUT' });
  });

  it('a lock got by tryAcquire passes to those who stand in line', async () => {
    const { clock, adapter, locks } = twoClients();
    adapter.next('tryAcquire', { replyAfterMs: 50 });
    const first = follow(locks.tryAcquire('k'));
    const second = follow(locks.acquire('k'));
    await clock.advance(60);
    expect(first.state).toBe('resolved');
    expect(second.state).toBe('pending');
    await first.value?.release();
    // Others get the time of a round trip first.
    await clock.advance(60);
    expect(second.state).toBe('resolved');
  });
});

describe('a waiter does not spin', () => {
  for (const retryAfterMs of [
    0,
    1,
    0.001,
    Number.NaN,
    -1,
    Number.NEGATIVE_INFINITY,
    2 ** 31,
    Number.POSITIVE_INFINITY,
    '0',
    null,
  ]) {
    it(`whatever the backend answers as retryAfterMs (${String(retryAfterMs)})`, async () => {
      for (const hints of [true, false]) {
        const { clock, adapter, locks } = twoClients({}, 'none', hints ? [] : ['whenFree']);
        let asked = 0;
        adapter.tryAcquire = async () => {
          asked += 1;
          return { status: 'busy', retryAfterMs: retryAfterMs as number };
        };
        const waiting = follow(locks.acquire('k', { waitMs: 10_000 }));
        await clock.advance(10_001);
        expect(waiting.error).toMatchObject({ code: 'LOCK_TIMEOUT' });
        expect(asked).toBeGreaterThanOrEqual(8);
        expect(asked).toBeLessThan(60);
      }
    });
  }

  it('H38: losing a few races after a hint does not make it slow to hear the next one', async () => {
    const { clock, locks, other } = twoClients();
    let held = await other.acquire('k');
    const waiting = follow(locks.acquire('k'));
    for (let race = 0; race < 7; race += 1) {
      await clock.advance(5);
      void held.release();
      held = (await other.tryAcquire('k')) ?? held;
    }
    await clock.advance(5);
    await held.release();
    await clock.advance(1);
    expect(waiting.state).toBe('resolved');
  });
});
