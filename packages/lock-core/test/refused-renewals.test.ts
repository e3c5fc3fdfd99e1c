import { describe, expect, it } from 'vitest';
import { createLocks, LockError, type LocksOptions } from '../src/index.ts';
import { manualClock } from '../src/testing.ts';
import { faultyAdapter } from './support/faulty-adapter.ts';
import { follow } from './support/outcome.ts';
import { twoClients } from './support/two-clients.ts';

function setUp(options: LocksOptions = {}) {
  const clock = manualClock();
  const adapter = faultyAdapter(clock);
  return { clock, adapter, locks: createLocks(adapter, { ttlMs: 3_000, clock, ...options }) };
}

describe('a refusal of the backend does not lose the lock', () => {
  const refusal = () => new LockError('LOCK_BACKEND', 'NOPERM', { retryable: false });

  it.each([2_000, 9_000])(
    'renew(%d) tells it at once, and the lease stands as it was confirmed, or shorter',
    async (ttlMs) => {
      const { clock, adapter, locks } = setUp();
      const lock = await locks.acquire('k');
      const { renew } = adapter;
      const before = lock.remainingMs;
      adapter.renew = () => Promise.reject(refusal());
      await expect(lock.renew(ttlMs)).rejects.toMatchObject({ code: 'LOCK_BACKEND', retryable: false });
      expect(lock.state).toBe('held');
      // What was sent may have been done, so the shorter time counts.
      expect(lock.remainingMs).toBeLessThanOrEqual(Math.min(before, ttlMs));
      expect(lock.remainingMs).toBeGreaterThan(Math.min(before, ttlMs) - 200);
      await clock.advance(1_500);
      expect(lock.state).toBe('held');
      adapter.renew = renew;
      await clock.advance(10_000);
      expect(lock.state).toBe('held');
      await lock.release();
    },
  );

  it('where an earlier request may still arrive, a refusal is told as well', async () => {
    const { clock, adapter, locks } = setUp();
    const lock = await locks.acquire('k');
    let calls = 0;
    adapter.renew = () => Promise.reject(++calls === 1 ? new Error('connection reset') : refusal());
    const renewing = follow(lock.renew(1_000));
    await clock.advance(200);
    expect(renewing.error).toMatchObject({ message: 'NOPERM' });
    expect(lock.remainingMs).toBeLessThan(1_000);
  });

  it('a lock whose downgrade is refused counts as shared, since readers may be let in, and may be downgraded again', async () => {
    const { clock, adapter, locks } = twoClients({}, 'fifo');
    const lock = await locks.acquire('k');
    const { downgrade } = adapter;
    adapter.downgrade = () => Promise.reject(refusal());
    await expect(lock.downgrade()).rejects.toMatchObject({ code: 'LOCK_BACKEND', retryable: false });
    expect([lock.state, lock.mode]).toEqual(['held', 'shared']);
    expect(await locks.tryAcquire('k', { mode: 'shared' })).toBe(undefined);
    await clock.advance(5_000);
    expect([lock.state, lock.mode]).toEqual(['held', 'shared']);
    adapter.downgrade = downgrade!;
    await lock.downgrade();
    const reader = await locks.acquire('k', { mode: 'shared' });
    expect([lock.mode, reader.state]).toEqual(['shared', 'held']);
    expect([await lock.release(), await reader.release()]).toEqual(['released', 'released']);
  });

  it('whoever waits here is let in by a downgrade that was done, though it was refused for all that is known', async () => {
    const { clock, adapter, locks } = twoClients({}, 'fifo');
    const lock = await locks.acquire('k');
    const waiting = follow(locks.acquire('k', { mode: 'shared' }));
    await clock.advance(10);
    const { downgrade } = adapter;
    adapter.downgrade = async (hold, ttlMs) => {
      await downgrade!(hold, ttlMs);
      throw new LockError('LOCK_BACKEND', 'NOPERM', { retryable: false, notSent: false });
    };
    await expect(lock.downgrade()).rejects.toMatchObject({ message: 'NOPERM' });
    await clock.advance(1_000);
    expect(waiting.value?.state).toBe('held');
    expect([await lock.release(), await waiting.value?.release()]).toEqual(['released', 'released']);
  });

  it('is asked for again before the lease ends, also where that is near', async () => {
    const { clock, adapter, locks } = twoClients({}, 'fifo');
    const short = await locks.acquire('k', { mode: 'shared', ttlMs: 2_000 });
    const { renew } = adapter;
    adapter.renew = () => {
      adapter.renew = renew;
      return Promise.reject(refusal());
    };
    const long = await locks.acquire('k', { mode: 'shared', ttlMs: 60_000 });
    await clock.advance(5_000);
    expect([short.state, long.state]).toEqual(['held', 'held']);
    await Promise.all([short.release(), long.release()]);
  });

  it('a key that is no lock any more ends the hold at once', async () => {
    const { clock, adapter, locks } = setUp();
    const lock = await locks.acquire('k');
    adapter.renew = () => Promise.reject(new LockError('LOCK_FOREIGN_KEY', 'data of another type'));
    await clock.advance(1_200);
    expect(lock.signal.reason).toMatchObject({ code: 'LOCK_LOST' });
  });
});
