import { describe, expect, it } from 'vitest';
import type { Lock } from '../src/index.ts';
import { follow } from './support/outcome.ts';
import { type TwoClients, twoClients } from './support/two-clients.ts';

describe('hand-over inside the process', () => {
  async function line({ clock, locks }: Pick<TwoClients, 'clock' | 'locks'>, count: number) {
    // The first two only make it known that there is a crowd: the third has a block of tokens.
    const first = await locks.acquire('k');
    const second = locks.acquire('k');
    const third = locks.acquire('k');
    await first.release();
    await clock.advance(1);
    await (await second).release();
    const held = await third;
    return { held, waiting: Array.from({ length: count }, () => locks.acquire('k')) };
  }

  it('passes the hold on without a round trip, with the next token', async () => {
    const { clock, adapter, locks } = twoClients();
    const { held, waiting } = await line({ clock, locks }, 10);
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
    const { clock, adapter, locks } = twoClients({ localRun: { count: 3, ms: 1_000 } });
    const { held, waiting } = await line({ clock, locks }, 9);
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
    const { clock, adapter, locks } = twoClients({ localRun: { count: 64, ms: 10 } });
    const { held, waiting } = await line({ clock, locks }, 2);
    const before = adapter.count('tryAcquire');
    await clock.advance(11);
    await held.release();
    await clock.advance(5);
    await waiting[0];
    expect(adapter.count('tryAcquire') - before).toBe(1);
  });

  it('another process gets its turn after a run', async () => {
    const { clock, locks, other } = twoClients({ localRun: { count: 2, ms: 1_000 } });
    const { held, waiting } = await line({ clock, locks }, 20);
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
    const { clock, adapter, locks } = twoClients({ localRun: { count: 0 } });
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
      const { clock, adapter, locks } = twoClients();
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
    const { clock, adapter, locks } = twoClients();
    const { held, waiting } = await line({ clock, locks }, 1);
    const first = held.signal;
    await held.release();
    const lock = await waiting[0]!;
    await adapter.backend.forceRelease?.('k');
    await clock.advance(11_000);
    expect(lock.signal.aborted).toBe(true);
    expect(first.aborted).toBe(false);
  });

  it('maxHoldMs counts for each holder', async () => {
    const { clock, locks } = twoClients({ maxHoldMs: 1_000 });
    const { held, waiting } = await line({ clock, locks }, 1);
    await clock.advance(5);
    await held.release();
    const lock = await waiting[0]!;
    await clock.advance(990);
    expect(lock.state).toBe('held');
    await clock.advance(20);
    expect(lock.state).toBe('lost');
  });

  it('a waiter whose own request is still open takes the hand-over, and the request is cleaned up', async () => {
    const { clock, adapter, locks, other } = twoClients();
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

  it('a renew that waits for an older renewal ends when the lock is handed over', async () => {
    const { clock, adapter, locks } = twoClients();
    const { held, waiting } = await line({ clock, locks }, 1);
    adapter.next('renew', { replyAfterMs: 100 });
    const renewing = [follow(held.renew()), follow(held.renew())];
    await clock.advance(1);
    expect(await held.release()).toBe('released');
    const next = await waiting[0]!;
    await clock.advance(1_000);
    for (const { error } of renewing) expect(error).toMatchObject({ code: 'LOCK_RELEASED' });
    await next.renew();
    expect(next.state).toBe('held');
  });

  it.each([
    { how: 'with a queue', omit: [] },
    { how: 'polled', omit: ['enqueue'] as const },
  ])(
    'all permits of a semaphore are in use, however much faster they pass on here than the backend answers ($how)',
    async ({ omit }) => {
      const { clock, adapter, locks } = twoClients({ localRun: { count: 200, ms: 1_000 } }, 'fifo', [...omit]);
      for (const operation of ['enqueue', 'tryAcquire'] as const) adapter.otherwise(operation, { replyAfterMs: 20 });
      const pool = locks.semaphore('s', 4);
      let [held, most] = [0, 0];
      const hold = (lock: Lock): void => {
        held += 1;
        most = Math.max(most, held);
        clock.setTimeout(() => {
          held -= 1;
          void lock.release();
          void pool.acquire().then(hold);
        }, 5);
      };
      for (let i = 0; i < 12; i += 1) void pool.acquire().then(hold);
      await clock.advance(500);
      expect(most).toBe(4);
      expect(adapter.calls.filter(({ operation }) => operation === 'release').length).toBeLessThan(40);
    },
  );

  it('nobody passes a waiter for more permits while its request is on its way', async () => {
    const { clock, adapter, locks } = twoClients({ localRun: { count: 200, ms: 1_000 } }, 'fifo', ['enqueue']);
    adapter.otherwise('tryAcquire', { replyAfterMs: 20 });
    const pool = locks.semaphore('s', 4);
    const order: string[] = [];
    const use = async (name: string, permits: number): Promise<void> => {
      const lock = await pool.acquire({ permits });
      order.push(name);
      clock.setTimeout(() => void lock.release(), 5);
    };
    for (let i = 0; i < 12; i += 1) void use('before', 1);
    void use('all', 4);
    for (let i = 0; i < 12; i += 1) void use('behind', 1);
    await clock.advance(1_000);
    expect(order).toHaveLength(25);
    expect(order.indexOf('all')).toBe(12);
  });
});
