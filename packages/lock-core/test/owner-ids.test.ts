import { describe, expect, it } from 'vitest';
import { memoryAdapter, memoryStore } from '../../adapter-memory/src/index.ts';
import { createLocks, type Lock, type LockAdapter, LockError } from '../src/index.ts';
import { manualClock } from '../src/testing.ts';
import { faultyAdapter } from './support/faulty-adapter.ts';
import { type Followed, follow } from './support/outcome.ts';
import { twoClients } from './support/two-clients.ts';

describe('one owner ID, one release', () => {
  for (const fairness of ['none', 'fifo'] as const) {
    it(`H111: after a busy answer the next attempt has a fresh owner ID (${fairness})`, async () => {
      const { clock, adapter, locks, other } = twoClients({}, fairness);
      const held = await other.acquire('k');
      const waiting = follow(locks.acquire('k'));
      await clock.advance(4_000);
      await held.release();
      await clock.advance(10);
      expect(waiting.state).toBe('resolved');
      const asked = adapter.calls.filter(({ operation }) => operation === 'tryAcquire' || operation === 'enqueue');
      expect(asked.length).toBeGreaterThan(1);
      expect(new Set(asked.map(({ owner }) => owner)).size).toBe(asked.length);
    });
  }

  it('H111: an owner ID for which a release was sent is never asked for again', async () => {
    const { clock, adapter, locks } = twoClients();
    adapter.next('tryAcquire', 'reply lost', { replyAfterMs: 29_995 }, 'rejected after', 'ok');
    const waiting = follow(locks.acquire('k', { ttlMs: 30_000, waitMs: 60_000 }));
    await clock.advance(60_000);
    expect(waiting.state).toBe('resolved');
    const released = new Set<string>();
    for (const { operation, owner } of adapter.calls) {
      if (operation === 'release') released.add(owner);
      if (operation === 'tryAcquire') expect(released.has(owner)).toBe(false);
    }
  });

  it('H125: the clean-up does not end on the answer to another request: an acquire that arrives later is released too', async () => {
    for (const arrivesAfterMs of [5_000, 8_000, 15_000, 25_000]) {
      const { clock, adapter, locks } = twoClients();
      adapter.next('tryAcquire', { arrivesAfterMs, reply: 'lost' });
      const asked = follow(locks.acquire('k', { maxHoldMs: 1_000 }));
      await clock.advance(4_000);
      expect(asked.value?.state).toBe('lost');
      await clock.advance(arrivesAfterMs);
      expect(await adapter.backend.inspect?.('k')).toBe(undefined);
    }
  });

  it('H115: a refused release is not taken for a free lock: it is followed up until it is answered', async () => {
    const { clock, adapter, locks } = twoClients();
    const lock = await locks.acquire('k');
    const release = adapter.release;
    adapter.release = () => Promise.reject(new LockError('LOCK_BACKEND', 'NOPERM', { retryable: false }));
    expect(await lock.release()).toBe('released');
    await clock.advance(5_000);
    expect(await adapter.backend.inspect?.('k')).toBeDefined();
    adapter.release = release;
    await clock.advance(2_500);
    expect(await adapter.backend.inspect?.('k')).toBe(undefined);
  });

  it('H116: nothing is released for requests that were never sent, and nothing is left of an outage', async () => {
    for (const fairness of ['none', 'fifo'] as const) {
      const { clock, adapter, locks } = twoClients({ backendTimeoutMs: 2_000 }, fairness);
      const notSent = () => Promise.reject(new LockError('LOCK_BACKEND', 'not connected', { notSent: true }));
      const { tryAcquire, enqueue } = adapter;
      Object.assign(adapter, { tryAcquire: notSent, ...(enqueue && { enqueue: notSent }) });
      const failed = Array.from({ length: 200 }, (_, i) =>
        follow(i % 2 ? locks.tryAcquire(`k${i}`) : locks.acquire(`k${i}`)),
      );
      await clock.advance(12_000);
      expect(failed.map(({ state }) => state)).toEqual(Array(200).fill('rejected'));
      expect(adapter.count('release')).toBe(0);
      expect(clock.pending).toBe(0);
      Object.assign(adapter, { tryAcquire, enqueue });
      expect(await locks.tryAcquire('k1')).toBeDefined();
    }
  });

  it('H116: what turns out late to have been sent never is no longer cleaned up', async () => {
    const { clock, adapter, locks } = twoClients({ backendTimeoutMs: 500 }, 'none');
    const error = () => new LockError('LOCK_BACKEND', 'not connected', { notSent: true });
    // As an adapter that waits for its connection for as long as somebody wants the lock.
    const tryAcquire: LockAdapter['tryAcquire'] = ({ signal }) =>
      new Promise((_, reject) => void signal.addEventListener('abort', () => reject(error())));
    Object.assign(adapter, { tryAcquire, release: () => Promise.reject(error()) });
    const failed = Array.from({ length: 50 }, (_, i) => follow(locks.tryAcquire(`k${i}`)));
    await clock.advance(3_000);
    expect(failed.map(({ state }) => state)).toEqual(Array(50).fill('rejected'));
    expect(clock.pending).toBe(0);
  });

  for (const fairness of ['none', 'fifo'] as const) {
    it(`H124: an acquire in the abort listener of a lost lock, by the same owner, gives a lock that is held (${fairness})`, async () => {
      const { clock, adapter, locks } = twoClients({}, fairness);
      const owner = locks.createOwner();
      const ends = {
        maxHoldMs: () => clock.advance(1_100),
        forceRelease: () => locks.forceRelease('k'),
        stall: async () => clock.stall(40_000),
      };
      for (const end of Object.values(ends)) {
        const lock = await locks.acquire('k', { owner, maxHoldMs: 1_000 });
        let again: Followed<Lock> | undefined;
        lock.signal.addEventListener('abort', () => {
          again = follow(locks.acquire('k', { owner, waitMs: 20_000 }));
        });
        await end();
        expect(lock.state).toBe('lost');
        await clock.advance(5_000);
        const next = again!.value!;
        expect(next.state).toBe('held');
        expect((await adapter.backend.inspect?.('k'))?.fencingToken).toBe(next.fencingToken);
        await next.release();
      }
    });
  }
});

describe('forceRelease', () => {
  for (const aware of [true, false]) {
    it(`H112: without an answer it frees nobody but the holder that was observed (adapter takes the owner: ${aware})`, async () => {
      const clock = manualClock();
      const store = memoryStore();
      const adapter = faultyAdapter(clock, { store });
      const inner = adapter.backend;
      let sent = 0;
      const answers: ('lost' | 'unanswered' | 'ok')[] = ['unanswered', 'unanswered', 'ok'];
      const force = async (key: string, owner?: string): Promise<boolean> => {
        sent += 1;
        const fate = answers.shift() ?? 'ok';
        if (fate === 'lost') return new Promise(() => {});
        const answer = await inner.forceRelease!(key, aware ? owner : undefined);
        return fate === 'unanswered' ? new Promise(() => {}) : answer;
      };
      adapter.forceRelease = aware ? (key, owner) => force(key, owner) : (key: string) => force(key);
      const operator = createLocks(adapter, { clock });
      const [first, second] = [0, 1].map(() =>
        createLocks(memoryAdapter({ store, clock, fairness: 'none' }), { clock }),
      );
      await first!.acquire('k');
      const next = follow(second!.acquire('k'));
      await clock.advance(20);
      const forced = follow(operator.forceRelease('k'));
      await clock.advance(15_000);
      expect(forced.value).toBe(true);
      expect(next.value?.state).toBe('held');
      expect(sent).toBe(1);

      // The request is lost: an adapter that takes the owner is asked again, the other one is not.
      answers.splice(0, answers.length, 'lost');
      const again = follow(operator.forceRelease('k'));
      await clock.advance(15_000);
      if (aware) expect(again.value).toBe(true);
      else expect(again.error).toMatchObject({ code: 'LOCK_BACKEND', message: expect.stringContaining('unknown') });
      expect(sent).toBe(aware ? 3 : 2);
    });
  }

  it('without inspect it is sent once, and no answer is LOCK_BACKEND', async () => {
    const clock = manualClock();
    const adapter = faultyAdapter(clock, { omit: ['inspect'] });
    const locks = createLocks(adapter, { clock });
    await locks.acquire('k');
    adapter.next('forceRelease', 'request lost');
    const forced = follow(locks.forceRelease('k'));
    await clock.advance(15_000);
    expect(forced.error).toMatchObject({ code: 'LOCK_BACKEND' });
    expect(adapter.count('forceRelease')).toBe(1);
  });
});

describe('a refresh never shortens', () => {
  for (const autoRenew of [true, false]) {
    it(`H113: renewed for longer, a lock is not held by two, although an acquire of it arrives late (autoRenew ${autoRenew})`, async () => {
      for (const arrivesAfterMs of [3_500, 7_000, 14_000]) {
        const clock = manualClock();
        const store = memoryStore();
        const slow = faultyAdapter(clock, { store });
        // A backend of the old contract: an acquire by the holder sets its TTL, whatever stood.
        const { tryAcquire } = slow.backend;
        slow.backend.tryAcquire = async (attempt) => {
          const answer = await tryAcquire.call(slow.backend, attempt);
          if (answer.status === 'granted') await slow.backend.renew(attempt, attempt.ttlMs);
          return answer;
        };
        slow.next('tryAcquire', { arrivesAfterMs, reply: 'lost' });
        const locks = createLocks(slow, { clock, ttlMs: 10_000, autoRenew });
        const other = createLocks(memoryAdapter({ store, clock, fairness: 'none' }), { clock });
        const asked = follow(locks.acquire('k'));
        await clock.advance(3_000);
        const lock = asked.value!;
        await lock.renew(60_000);
        let takenAt: number | undefined;
        for (let waited = 0; waited < 58_000 && takenAt === undefined; waited += 500) {
          await clock.advance(500);
          if ((await other.tryAcquire('k')) !== undefined) takenAt = waited;
          if (takenAt !== undefined) expect(lock.state).toBe('lost');
        }
        expect(takenAt).toBe(undefined);
        expect(lock.state).toBe('held');
        await clock.advance(4_000);
        expect(lock.state).toBe(autoRenew ? 'held' : 'lost');
      }
    });
  }

  it('one renewal without an answer limits later ones only for as long as it may arrive', async () => {
    const { clock, adapter, locks } = twoClients({ ttlMs: 10_000 });
    const lock = await locks.acquire('k');
    adapter.next('renew', 'request lost');
    await clock.advance(5_000);
    await lock.renew(120_000);
    expect(lock.remainingMs).toBeLessThanOrEqual(10_000);
    await clock.advance(60_000);
    expect(lock.remainingMs).toBeGreaterThan(70_000);
    await lock.renew(240_000);
    expect(lock.remainingMs).toBeGreaterThan(230_000);
  });
});
