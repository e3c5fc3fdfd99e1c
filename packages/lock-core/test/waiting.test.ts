import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { memoryAdapter, memoryStore } from '../../adapter-memory/src/index.ts';
import { createLocks, type Lock, type LockAdapter, type LocksOptions } from '../src/index.ts';
import { manualClock } from '../src/testing.ts';
import { faultyAdapter } from './support/faulty-adapter.ts';
import { codeOf, follow } from './support/outcome.ts';

function setUp(options: LocksOptions = {}, fairness: 'fifo' | 'none' = 'none', omit: (keyof LockAdapter)[] = []) {
  const clock = manualClock();
  const store = memoryStore();
  const adapter = faultyAdapter(clock, { store, fairness, omit });
  const open = () => createLocks(memoryAdapter({ store, fairness, clock }), { ttlMs: 30_000, clock });
  return { clock, adapter, locks: createLocks(adapter, { ttlMs: 30_000, clock, ...options }), other: open() };
}

for (const fairness of ['none', 'fifo'] as const) {
  describe(`waiting, backend queue: ${fairness}`, () => {
    it('gets the lock as soon as another process gives it back', async () => {
      const { clock, locks, other } = setUp({}, fairness);
      const held = await other.acquire('k');
      const waiting = follow(locks.acquire('k'));
      await clock.advance(10_000);
      expect(waiting.state).toBe('pending');
      await held.release();
      await clock.advance(5);
      expect(waiting.state).toBe('resolved');
    });

    it('first come, first served in the process', async () => {
      const { clock, locks } = setUp({}, fairness);
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
      const { clock, locks, other } = setUp({}, fairness);
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
      const { locks, other } = setUp({}, fairness);
      await other.acquire('k');
      expect(await codeOf(locks.acquire('k', { waitMs: 0 }))).toBe('LOCK_TIMEOUT');
      expect(await locks.tryAcquire('k')).toBe(undefined);
    });

    it('what this process holds is busy without asking', async () => {
      const { adapter, locks } = setUp({}, fairness);
      await locks.acquire('k');
      const before = adapter.calls.length;
      expect(await locks.tryAcquire('k')).toBe(undefined);
      expect(adapter.calls.length).toBe(before);
    });

    it('an abort rejects with the reason of the signal, and H42: the next is served at once', async () => {
      const { clock, locks, other } = setUp({}, fairness);
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
      const { adapter, locks } = setUp({}, fairness);
      const why = new Error('too late');
      await expect(locks.acquire('k', { signal: AbortSignal.abort(why) })).rejects.toBe(why);
      expect(adapter.calls).toEqual([]);
    });

    it('H42, H43: 1,000 waiters, half of them aborted: all others served, nothing left', async () => {
      const { clock, adapter, locks, other } = setUp({}, fairness);
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
  const { clock, locks } = setUp();
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
  const { clock, adapter, locks, other } = setUp();
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
    const { clock, adapter, locks, other } = setUp();
    await other.acquire('k');
    for (let i = 0; i < 50; i += 1) void locks.acquire('k').catch(() => {});
    await clock.advance(10_000);
    expect(adapter.count('tryAcquire')).toBeLessThan(15);
    await locks.close();
  });

  it('H38: when all hints are lost the poll wins', async () => {
    const { clock, adapter, locks, other } = setUp();
    const held = await other.acquire('k');
    adapter.whenFree = () => new Promise(() => {});
    const waiting = follow(locks.acquire('k'));
    await clock.advance(100);
    await held.release();
    await clock.advance(1_300);
    expect(waiting.state).toBe('resolved');
  });

  it('a failing subscription leaves the poll', async () => {
    const { clock, adapter, locks, other } = setUp();
    const held = await other.acquire('k');
    adapter.whenFree = () => Promise.reject(new Error('no pub/sub here'));
    const waiting = follow(locks.acquire('k'));
    await clock.advance(100);
    await held.release();
    await clock.advance(400);
    expect(waiting.state).toBe('resolved');
  });

  it('without hints it polls, ever slower', async () => {
    const { clock, adapter, locks, other } = setUp({}, 'none', ['whenFree']);
    const held = await other.acquire('k');
    const waiting = follow(locks.acquire('k'));
    await clock.advance(10_000);
    expect(adapter.count('tryAcquire')).toBeLessThan(60);
    await held.release();
    await clock.advance(310);
    expect(waiting.state).toBe('resolved');
  });

  it('H37: a release between the look and the subscription is seen', async () => {
    const { clock, adapter, locks, other } = setUp();
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
    const { clock, adapter, locks } = setUp();
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
    const { clock, adapter, locks, other } = setUp();
    await other.acquire('k');
    adapter.whenFree = () => new Promise((resolve) => void clock.setTimeout(resolve, 900));
    const waiting = follow(locks.acquire('k', { waitMs: 10_000 }));
    await clock.advance(9_990);
    expect(waiting.state).toBe('pending');
    await clock.advance(20);
    expect(waiting.error).toMatchObject({ code: 'LOCK_TIMEOUT' });
  });

  it('a lock got by tryAcquire passes to those who stand in line', async () => {
    const { clock, adapter, locks } = setUp();
    adapter.next('tryAcquire', { replyAfterMs: 50 });
    const first = follow(locks.tryAcquire('k'));
    const second = follow(locks.acquire('k'));
    await clock.advance(60);
    expect(first.state).toBe('resolved');
    expect(second.state).toBe('pending');
    await first.value?.release();
    await clock.advance(5);
    expect(second.state).toBe('resolved');
  });
});

describe('hand-over inside the process', () => {
  async function line(locks: ReturnType<typeof createLocks>, count: number) {
    // The first two only make it known that there is a crowd: the third has a block of tokens.
    const first = await locks.acquire('k');
    const second = locks.acquire('k');
    const third = locks.acquire('k');
    await first.release();
    await (await second).release();
    const held = await third;
    return { held, waiting: Array.from({ length: count }, () => locks.acquire('k')) };
  }

  it('passes the hold on without a round trip, with the next token', async () => {
    const { adapter, locks } = setUp();
    const { held, waiting } = await line(locks, 10);
    const before = adapter.calls.length;
    let last = held;
    for (const next of waiting) {
      await last.release();
      const lock = await next;
      expect(lock.fencingToken).toBe(last.fencingToken! + 1n);
      expect(last.state).toBe('released');
      last = lock;
    }
    expect(adapter.calls.length).toBe(before);
    await last.release();
    expect(await adapter.backend.inspect?.('k')).toBe(undefined);
  });

  it('the run ends after `count`, and the tokens of the next block are higher still', async () => {
    const { clock, adapter, locks } = setUp({ localRun: { count: 3, ms: 1_000 } });
    const { held, waiting } = await line(locks, 9);
    const before = adapter.count('tryAcquire');
    const tokens = [held.fencingToken!];
    let last: Lock = held;
    for (const next of waiting) {
      await last.release();
      await clock.advance(5);
      last = await next;
      tokens.push(last.fencingToken!);
    }
    expect(adapter.count('tryAcquire') - before).toBe(2);
    expect(tokens).toEqual([...tokens].sort((a, b) => (a < b ? -1 : 1)));
    expect(new Set(tokens).size).toBe(10);
  });

  it('the run ends after `ms`', async () => {
    const { clock, adapter, locks } = setUp({ localRun: { count: 64, ms: 10 } });
    const { held, waiting } = await line(locks, 2);
    const before = adapter.count('tryAcquire');
    await clock.advance(11);
    await held.release();
    await clock.advance(5);
    await waiting[0];
    expect(adapter.count('tryAcquire') - before).toBe(1);
  });

  it('another process gets its turn after a run', async () => {
    const { clock, locks, other } = setUp({ localRun: { count: 2, ms: 1_000 } });
    const { held, waiting } = await line(locks, 20);
    const theirs = follow(other.acquire('k'));
    await clock.advance(0);
    let last: Lock = held;
    let served = 0;
    for (const next of waiting) {
      const followed = follow(next);
      await last.release();
      await clock.advance(5);
      if (followed.state !== 'resolved') break;
      last = followed.value!;
      served += 1;
    }
    expect(theirs.state).toBe('resolved');
    expect(served).toBeLessThan(10);
  });

  it('count 0 turns it off', async () => {
    const { clock, adapter, locks } = setUp({ localRun: { count: 0 } });
    const held = await locks.acquire('k');
    const waiting = [locks.acquire('k'), locks.acquire('k')];
    await held.release();
    await clock.advance(5);
    await (await waiting[0])?.release();
    await clock.advance(5);
    await waiting[1];
    expect(adapter.count('release')).toBe(2);
  });

  it('not between holds of another TTL, nor to one that is not renewed', async () => {
    for (const options of [{ ttlMs: 10_000 }, { autoRenew: false }]) {
      const { clock, adapter, locks } = setUp();
      const held = await locks.acquire('k');
      const next = locks.acquire('k', options);
      await held.release();
      await clock.advance(5);
      const lock = await next;
      expect(adapter.count('release')).toBe(1);
      expect(lock.remainingMs).toBeGreaterThan(9_000);
    }
  });

  it('the signal of loss goes with the hold', async () => {
    const { clock, adapter, locks } = setUp();
    const { held, waiting } = await line(locks, 1);
    const first = held.signal;
    await held.release();
    const lock = await waiting[0]!;
    await adapter.backend.forceRelease?.('k');
    await clock.advance(11_000);
    expect(lock.signal.aborted).toBe(true);
    expect(first.aborted).toBe(false);
  });

  it('maxHoldMs counts for each holder', async () => {
    const { clock, locks } = setUp({ maxHoldMs: 1_000 });
    const { held, waiting } = await line(locks, 1);
    await clock.advance(5);
    await held.release();
    const lock = await waiting[0]!;
    await clock.advance(990);
    expect(lock.state).toBe('held');
    await clock.advance(20);
    expect(lock.state).toBe('lost');
  });

  it('a waiter whose own request is still open takes the hand-over, and the request is cleaned up', async () => {
    const { clock, adapter, locks, other } = setUp();
    const held = await other.acquire('k');
    const first = follow(locks.acquire('k'));
    const last = follow(locks.acquire('k'));
    await clock.advance(50);
    adapter.next('tryAcquire', { arrivesAfterMs: 500 });
    await held.release();
    await clock.advance(1);
    const visitor = await locks.tryAcquire('k');
    await visitor?.release();
    await clock.advance(1);
    expect(first.value?.fencingToken).toBe(visitor!.fencingToken! + 1n);
    await first.value?.release();
    await clock.advance(5);
    await last.value?.release();
    await clock.advance(60_000);
    expect(await other.inspect('k')).toBe(undefined);
  });
});

describe('the queue of the backend', () => {
  it('H80: an enqueue without an answer is cleaned up, and tried again under another owner', async () => {
    const { clock, adapter, locks, other } = setUp({}, 'fifo');
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
    const { clock, adapter, locks, other } = setUp({ backendTimeoutMs: 3_000 }, 'fifo');
    await other.acquire('k');
    adapter.otherwise('enqueue', 'rejected before');
    const waiting = follow(locks.acquire('k'));
    await clock.advance(5_000);
    expect(waiting.error).toMatchObject({ code: 'LOCK_BACKEND' });
  });

  it('a grant that comes after the abort is given back', async () => {
    const { clock, adapter, locks, other } = setUp({}, 'fifo');
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
});
