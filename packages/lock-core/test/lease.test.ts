import { describe, expect, it } from 'vitest';
import { memoryAdapter, memoryStore } from '../../adapter-memory/src/index.ts';
import { createLocks, isLockError, type LocksOptions } from '../src/index.ts';
import { manualClock } from '../src/testing.ts';
import { faultyAdapter } from './support/faulty-adapter.ts';
import { codeOf, follow } from './support/outcome.ts';

function setUp(options: LocksOptions = {}) {
  const clock = manualClock();
  const adapter = faultyAdapter(clock);
  return { clock, adapter, locks: createLocks(adapter, { ttlMs: 3_000, clock, ...options }) };
}

describe('the lease', () => {
  it('H47: counts from before the send, less drift', async () => {
    const { clock, adapter, locks } = setUp();
    adapter.next('tryAcquire', { replyAfterMs: 800 });
    const waiting = follow(locks.acquire('k'));
    await clock.advance(800);
    const lock = waiting.value!;
    expect(lock.remainingMs).toBe(3_000 - 800 - 32);
  });

  it('H28: a grant that comes after its own lease is none; it is cleaned up and asked for anew', async () => {
    const { clock, adapter, locks } = setUp({ attemptTimeoutMs: 60_000 });
    adapter.next('tryAcquire', { replyAfterMs: 2_980 });
    const waiting = follow(locks.acquire('k'));
    await clock.advance(2_980);
    expect(waiting.state).toBe('pending');
    expect(adapter.count('release')).toBe(1);
    await clock.advance(100);
    expect(waiting.state).toBe('resolved');
    const owners = adapter.calls.filter((call) => call.operation === 'tryAcquire').map((call) => call.owner);
    expect(new Set(owners).size).toBe(2);
  });

  it('H45: the signal aborts by the clock when renewals hang, before the backend can give the lock away', async () => {
    const { clock, adapter, locks } = setUp();
    adapter.otherwise('renew', 'request lost');
    const lock = await locks.acquire('k');
    const { signal } = lock;
    let abortedAt = 0;
    signal.addEventListener('abort', () => {
      abortedAt = clock.now();
    });
    const begin = clock.now();
    await clock.advance(2_900);
    expect(lock.state).toBe('held');
    await clock.advance(99);
    expect(lock.state).toBe('lost');
    expect(abortedAt).toBeGreaterThan(0);
    expect(abortedAt).toBeLessThan(begin + 3_000);
    expect(isLockError(signal.reason, 'LOCK_LOST')).toBe(true);
    expect(lock.remainingMs).toBe(0);
    expect(() => lock.assertHeld()).toThrow(/lost/);
    expect(await lock.release()).toBe('lost');
  });

  it('H48: after a stall the first look sees the loss, before any timer has fired', async () => {
    const { clock, locks } = setUp();
    const lock = await locks.acquire('k');
    const { signal } = lock;
    clock.stall(6_000);
    expect(lock.remainingMs).toBe(0);
    expect(lock.state).toBe('lost');
    expect(signal.aborted).toBe(true);
    expect(() => lock.assertHeld()).toThrow(/LOCK_LOST|lost/);
  });

  it('H48: a signal first asked for after the stall is aborted already', async () => {
    const { clock, locks } = setUp();
    const lock = await locks.acquire('k');
    clock.stall(6_000);
    expect(lock.signal.aborted).toBe(true);
  });

  it('H49: a wall clock that is set back neither ends nor prolongs a lease; one that runs ahead renews it at once', async () => {
    const { clock, adapter, locks } = setUp({ ttlMs: 30_000 });
    const lock = await locks.acquire('k');
    clock.stepWall(-7_200_000);
    expect(lock.state).toBe('held');
    await clock.advance(5_000);
    expect(lock.state).toBe('held');
    const before = adapter.count('renew');
    clock.stepWall(12_000);
    expect(lock.state).toBe('held');
    await clock.advance(1_000);
    expect(adapter.count('renew')).toBeGreaterThan(before);
    expect(lock.state).toBe('held');
    expect(lock.remainingMs).toBeGreaterThan(28_000);
  });

  for (const autoRenew of [true, false]) {
    it(`a machine that slept for longer than the lease: each look sees the loss, also in the first second (autoRenew ${autoRenew})`, async () => {
      for (const look of ['assertHeld', 'state', 'remainingMs', 'signal'] as const) {
        const { clock, locks } = setUp({ ttlMs: 30_000 });
        const lock = await locks.acquire('k', { autoRenew });
        await clock.advance(300);
        clock.stepWall(29_800);
        if (look === 'assertHeld') expect(() => lock.assertHeld()).toThrow(/lost/);
        else if (look === 'signal') expect(lock.signal.aborted).toBe(true);
        else expect(lock[look]).toBe(look === 'state' ? 'lost' : 0);
        await clock.advance(0);
        expect(lock.state).toBe('lost');
      }
    });
  }

  it('a machine that slept for a part of the lease has that much less time left', async () => {
    const { clock, locks } = setUp({ ttlMs: 30_000 });
    const lock = await locks.acquire('k', { autoRenew: false });
    const before = lock.remainingMs;
    clock.stepWall(4_000);
    expect(lock.remainingMs).toBe(before - 4_000);
    await clock.advance(2_000);
    expect(lock.remainingMs).toBe(before - 6_000);
    await clock.advance(before - 6_000);
    expect(lock.state).toBe('lost');
  });

  it('a machine that slept renews before it trusts the lease, and learns of the take-over', async () => {
    const { clock, adapter, locks } = setUp({ ttlMs: 30_000 });
    const lock = await locks.acquire('k');
    // The backend counted on while this machine's monotonic clock stood still.
    await adapter.backend.forceRelease?.('k');
    clock.stepWall(60_000);
    await clock.advance(1_100);
    expect(lock.state).toBe('lost');
  });

  it('autoRenew false: ends by itself, and the backend is told', async () => {
    const { clock, adapter, locks } = setUp();
    const lock = await locks.acquire('k', { autoRenew: false });
    await clock.advance(2_968);
    expect(lock.state).toBe('lost');
    expect(adapter.count('renew')).toBe(0);
    expect(await adapter.backend.inspect?.('k')).toBe(undefined);
  });

  it('H9: a TTL past 2^31-1 ms spins no timer', async () => {
    const { clock, adapter, locks } = setUp();
    await locks.acquire('k', { ttlMs: 30 * 24 * 3_600_000 });
    await clock.advance(10_000);
    expect(adapter.count('renew')).toBe(0);
  });

  it('renew: prolongs at once, with another length too', async () => {
    const { clock, adapter, locks } = setUp();
    const lock = await locks.acquire('k', { autoRenew: false });
    await clock.advance(1_000);
    await lock.renew(10_000);
    expect(lock.remainingMs).toBe(10_000 - 102);
    await lock.renew(500);
    expect(lock.remainingMs).toBe(500 - 7);
    expect((await adapter.backend.inspect?.('k'))?.remainingMs).toBe(500);
  });

  it('renew without an answer: LOCK_BACKEND, the lease stands as it was; a shorter one counts from the send', async () => {
    const { clock, adapter, locks } = setUp({ ttlMs: 60_000, backendTimeoutMs: 5_000 });
    const lock = await locks.acquire('k', { autoRenew: false });
    const before = lock.remainingMs;
    adapter.otherwise('renew', 'request lost');
    const renewing = codeOf(lock.renew(90_000));
    await clock.advance(20_000);
    expect(await renewing).toBe('LOCK_BACKEND');
    expect(lock.remainingMs).toBe(before - 20_000);
    const shorter = codeOf(lock.renew(8_000));
    await clock.advance(7_000);
    await shorter;
    expect(lock.remainingMs).toBeLessThanOrEqual(1_000);
    expect(lock.state).toBe('held');
  });

  it('renew whose answer comes when the lease is over: LOCK_LOST', async () => {
    const { clock, adapter, locks } = setUp();
    const lock = await locks.acquire('k', { autoRenew: false });
    adapter.next('renew', { replyAfterMs: 10 });
    const renewing = codeOf(lock.renew(60_000));
    await clock.advance(1);
    clock.stall(3_500);
    await clock.advance(10);
    expect(await renewing).toBe('LOCK_LOST');
    expect(lock.remainingMs).toBe(0);
  });

  it('renew of a lost or released lock: LOCK_LOST or LOCK_RELEASED, and nothing is sent', async () => {
    const { clock, adapter, locks } = setUp();
    const lock = await locks.acquire('k');
    await lock.release();
    expect(await codeOf(lock.renew())).toBe('LOCK_RELEASED');
    const other = await locks.acquire('k');
    clock.stall(10_000);
    expect(await codeOf(other.renew())).toBe('LOCK_LOST');
    expect(adapter.count('renew')).toBe(0);
  });

  for (const drift of [-0.008, 0.008]) {
    it(`H47: a queue that times the wait on its server's clock, which drifts by ${drift * 100} %, gives nobody a lease that is over`, async () => {
      const clock = manualClock();
      const server = { ...clock, now: () => clock.now() * (1 + drift) };
      const store = memoryStore();
      const queue = memoryAdapter({ store, clock: server });
      const renew = (): Promise<never> => new Promise(() => {});
      const locks = createLocks({ ...queue, renew }, { ttlMs: 30_000, clock });
      const other = createLocks(queue, { ttlMs: 30_000, clock });
      const held = await other.acquire('k');
      const waiting = follow(locks.acquire('k'));
      await clock.advance(3_600_000);
      await held.release();
      await clock.advance(5);
      if (drift > 0) expect(waiting.value?.state).toBe('held');
      const signal = waiting.value?.signal;
      for (let waited = 0; waited < 60_000; waited += 50) {
        await clock.advance(50);
        const freed = (await queue.inspect!('k')) === undefined;
        if (freed && waiting.value !== undefined) expect(signal?.aborted).toBe(true);
      }
    });
  }

  it('a lease lasts no longer than was asked for, whatever time the adapter names', async () => {
    const { clock, adapter, locks } = setUp({ autoRenew: false });
    const { tryAcquire, renew } = adapter;
    adapter.tryAcquire = async (attempt) => ({ ...(await tryAcquire(attempt)), validForMs: 1e15 }) as never;
    adapter.renew = async (hold, ttlMs) => ({ ...(await renew(hold, ttlMs)), validForMs: Number.MAX_VALUE }) as never;
    const lock = await locks.acquire('k');
    expect(lock.remainingMs).toBeLessThanOrEqual(3_000);
    await clock.advance(1_000);
    await lock.renew(5_000);
    expect(lock.remainingMs).toBeLessThanOrEqual(5_000);
    await clock.advance(5_000);
    expect(lock.state).toBe('lost');
  });

  it('H48: after a sleep a lease that may be over is not handed over', async () => {
    const { clock, adapter, locks } = setUp();
    const held = await locks.acquire('other');
    await held.release();
    const [first, second] = [locks.acquire('k'), locks.acquire('k')];
    await (await first).release();
    const third = follow(locks.acquire('k'));
    await clock.advance(10);
    const holder = await second;
    clock.stepWall(60_000);
    await adapter.backend.forceRelease!('k');
    const other = createLocks(adapter.backend, { clock });
    expect(await other.tryAcquire('k')).toBeDefined();
    await holder.release();
    await clock.advance(100);
    expect(third.state).toBe('pending');
  });

  it('H48: a sleep while a renewal is on its way counts before the holder sees the new deadline', async () => {
    const { clock, adapter, locks } = setUp();
    const lock = await locks.acquire('k');
    const { signal } = lock;
    adapter.next('renew', { replyAfterMs: 300 });
    await clock.advance(1_100);
    clock.stepWall(10_000);
    await clock.advance(200);
    expect(adapter.count('renew')).toBe(1);
    expect(signal.aborted).toBe(true);
  });
});
