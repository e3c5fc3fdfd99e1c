import { type ChildProcess, fork } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isLockError, type Lock, type Locks, openLocks } from '../../src/index.ts';
import { backends, type Reachable } from './backends.ts';

// Issue 13 asks for each of these on every backend; npm run test:all runs them.
const patience = { timeout: 600_000 };
// Each waiter has a place of its own; a busy machine gets its time.
const options = { ttlMs: 6_000, localRun: { count: 0 }, backendTimeoutMs: 30_000 };

async function until(what: string, look: () => Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + 60_000;
  while (!(await look())) {
    if (performance.now() > giveUpAt) throw new Error(`in vain: ${what}`);
    await sleep(50);
  }
}

/** Starts a process that waits; resolves once it has asked. */
async function startWaiter(args: readonly string[], onGrant: () => void): Promise<ChildProcess> {
  const child = fork(new URL('./waiter.ts', import.meta.url), args, { execArgv: ['--import', 'tsx'] });
  await new Promise<void>((resolve, reject) => {
    child.on('message', (what) => (what === 'granted' ? onGrant() : resolve()));
    child.once('exit', (code) => reject(new Error(`the process ended with ${code}`)));
  });
  return child;
}

describe.each(backends)('$name', ({ start }) => {
  let backend: Reachable;
  let clients: Locks[];
  beforeAll(async () => {
    backend = await start();
    clients = await Promise.all([0, 1, 2, 3].map(() => openLocks(backend.url, options)));
  }, 120_000);
  afterAll(async () => {
    for (const locks of clients ?? []) await locks.close();
    await backend?.stop();
  });

  type Take = (locks: Locks, key: string, place: number) => Promise<Lock>;
  it.each<[string, Take]>([
    ['a lock', (locks, key) => locks.acquire(key)],
    ['a lock that is shared', (locks, key, i) => locks.acquire(key, { mode: i === 0 ? 'shared' : 'exclusive' })],
    ['permits', (locks, key, i) => locks.semaphore(key, 10).acquire({ permits: i === 0 ? 7 : 6 })],
  ])(
    'H105: whoever waits for %s is served, one at a time, though the places are deleted by hand',
    patience,
    async (use, take) => {
      const key = `deleted-${use.replaceAll(' ', '-')}`;
      const held = await take(clients[0]!, key, 0);
      let inside = 0;
      const served: number[] = [];
      const waiters = [1, 2, 3].map(async (i) => {
        const lock = await take(clients[i]!, key, i);
        inside += 1;
        // Whoever was there at first has been told before.
        expect([inside, held.state]).not.toEqual([1, 'held']);
        expect(inside).toBe(1);
        await sleep(20);
        inside -= 1;
        served.push(i);
        await lock.release();
      });
      const told = Promise.all(waiters);
      told.catch(() => {});
      // Where the backend has a queue, all stand in it.
      const hasQueue = clients[0]!.adapter.capabilities.fairness === 'fifo';
      if (hasQueue) await until('three waiters', async () => (await clients[0]!.inspect(key))?.waiters === 3);
      else await sleep(500);
      expect(await backend.deleteWaiters(key)).toBeGreaterThan(hasQueue ? 0 : -1);
      await sleep(300);
      await held.release();
      await told;
      expect(served.sort()).toEqual([1, 2, 3]);
      await until('a free key', async () => (await clients[0]!.inspect(key)) === undefined);
    },
  );

  it.each<[string, NodeJS.Signals]>([
    ['a writer behind readers', 'SIGKILL'],
    ['a writer behind readers', 'SIGSTOP'],
    ['a large request behind small ones', 'SIGKILL'],
    ['a large request behind small ones', 'SIGSTOP'],
  ])(
    'H91, H103: %s whose process gets a %s keeps out those behind it for a while only',
    patience,
    async (what, how) => {
      const key = `${what.replaceAll(' ', '-')}-${how}`;
      const isWriter = what.startsWith('a writer');
      const take = (locks: Locks): Promise<Lock> =>
        isWriter ? locks.acquire(key, { mode: 'shared' }) : locks.semaphore(key, 7).acquire({ permits: 2 });
      const isQueued = async (count: number): Promise<unknown> =>
        clients[0]!.adapter.capabilities.fairness === 'fifo'
          ? until(`${count} waiters`, async () => (await clients[0]!.inspect(key))?.waiters === count)
          : sleep(700);
      const held = await take(clients[0]!);
      let granted = false;
      const child = await startWaiter([backend.url, key, ...(isWriter ? [] : ['7'])], () => {
        granted = true;
      });
      try {
        await isQueued(1);
        const behind = take(clients[1]!);
        await isQueued(2);
        child.kill(how);
        const lock = await behind;
        expect(held.state).toBe('held');
        if (how === 'SIGSTOP') {
          child.kill('SIGCONT');
          // It goes on, and is in nobody's way.
          await sleep(500);
          expect([granted, held.state, lock.state]).toEqual([false, 'held', 'held']);
        }
        for (const each of [held, lock]) expect(await each.release()).toBe('released');
        if (how === 'SIGSTOP') await until('its turn', async () => granted);
      } finally {
        child.kill('SIGKILL');
      }
      await until('a free key', async () => (await clients[0]!.inspect(key)) === undefined);
    },
  );

  it.each<[string, Take]>([
    ['writers that wait', (locks, key) => locks.acquire(key)],
    ['readers that wait', (locks, key) => locks.acquire(key, { mode: 'shared' })],
  ])(
    'a foreign SET NX keeps out %s, until it is gone, and a hold keeps out the foreign one',
    patience,
    async (who, take) => {
      if (backend.foreign === undefined) return;
      const key = `foreign-${who.slice(0, 7)}`;
      const held = await take(clients[0]!, key, 0);
      expect(await backend.foreign('set', key)).toBe(0);
      await held.release();
      expect(await backend.foreign('set', key)).toBeGreaterThan(0);
      let served = 0;
      const waiters = [1, 2, 3].map(async (i) => {
        const lock = await take(clients[i]!, key, i);
        served += 1;
        await lock.release();
      });
      // Longer than a beat of the waiters.
      await sleep(1_500);
      expect(served).toBe(0);
      expect(await backend.foreign('delete', key)).toBeGreaterThan(0);
      await Promise.all(waiters);
      await until('a free key', async () => (await clients[0]!.inspect(key)) === undefined);
    },
  );

  it(
    'H99: of different limits at once one is kept, and the others are refused or wait for none',
    patience,
    async () => {
      const key = 'limits';
      const limits = [3, 5, 7];
      for (let round = 0; round < 5; round += 1) {
        const held = new Map(limits.map((limit) => [limit, 0]));
        const outcomes = await Promise.all(
          Array.from({ length: 12 }, async (_, i) => {
            const limit = limits[i % 3]!;
            try {
              const permit = await clients[i % 4]!.semaphore(key, limit).acquire();
              held.set(limit, held.get(limit)! + 1);
              const inUse = limits.filter((each) => held.get(each)! > 0);
              expect(inUse).toEqual([limit]);
              expect(held.get(limit)).toBeLessThanOrEqual(limit);
              await sleep(10);
              held.set(limit, held.get(limit)! - 1);
              await permit.release();
              return 'held';
            } catch (error) {
              if (!isLockError(error, 'LOCK_INVALID_ARGUMENT')) throw error;
              return 'refused';
            }
          }),
        );
        expect(outcomes).toContain('held');
        await until('a free key', async () => (await clients[0]!.inspect(key)) === undefined);
      }
    },
  );

  it('H102: 10,000 keys at once are held and released; an abort in the middle leaves none', patience, async () => {
    const keys = Array.from({ length: 10_000 }, (_, i) => `many-${i}`);
    const locks = clients[0]!;
    const before = performance.now();
    const group = await locks.acquireAll(keys, { ttlMs: 60_000 });
    const tookMs = performance.now() - before;
    expect(group.locks).toHaveLength(10_000);
    expect(await clients[1]!.tryAcquire('many-9999')).toBeUndefined();
    expect(await group.release()).toBe('released');
    const enough = new AbortController();
    const reason = new Error('enough');
    const all = locks.acquireAll(keys, { ttlMs: 60_000, signal: enough.signal });
    const rejected = expect(all).rejects.toBe(reason);
    await sleep(tookMs / 2);
    enough.abort(reason);
    await rejected;
    await until('all keys are free', async () => {
      for await (const _ of locks.list('many-*')) return false;
      return true;
    });
  });
});
