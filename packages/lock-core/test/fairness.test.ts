import { describe, expect, it } from 'vitest';
import { memoryStore } from '../../adapter-memory/src/index.ts';
import { createLocks, type LockAdapter, type LocksOptions } from '../src/index.ts';
import { type ManualClock, manualClock } from '../src/testing.ts';
import { faultyAdapter } from './support/faulty-adapter.ts';
import { follow } from './support/outcome.ts';
import { twoClients } from './support/two-clients.ts';

const holdMs = 10;
const forMs = 20_000;

/** Latencies that differ a little, as they do everywhere; the same ones in each run. */
function latencies(): () => number {
  let seed = 1;
  return () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return 1 + (7 * seed) / 2_147_483_647;
  };
}

/** Processes of one backend, each with waiters that take the key again and again for 10 ms; who held it, in order. */
async function turnsOf(
  fairness: 'fifo' | 'none',
  processes: number,
  waiters: number,
  options: LocksOptions = {},
  latency: () => number = latencies(),
): Promise<number[]> {
  const clock = manualClock(0);
  const store = memoryStore();
  const turns: number[] = [];
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => void clock.setTimeout(resolve, ms));
  const all = Array.from({ length: processes }, (_, process) => {
    const { backend } = faultyAdapter(clock, { store, fairness });
    const later = async <T>(call: () => Promise<T>): Promise<T> => {
      await sleep(latency());
      const answer = await call();
      await sleep(latency());
      return answer;
    };
    const { enqueue, whenFree } = backend;
    const adapter = {
      ...backend,
      tryAcquire: (attempt: never) => later(() => backend.tryAcquire(attempt)),
      release: (hold: never) => later(() => backend.release(hold)),
      ...(enqueue && { enqueue: (attempt: never, signal: never) => later(() => enqueue(attempt, signal)) }),
      ...(whenFree && { whenFree: late(whenFree, () => sleep(latency())) }),
    };
    const locks = createLocks(adapter, { clock, ...options });
    const waiter = async (): Promise<void> => {
      while (clock.now() < forMs) {
        const lock = await locks.acquire('k');
        turns.push(process);
        await sleep(holdMs);
        await lock.release();
      }
    };
    return Array.from({ length: waiters }, waiter);
  });
  await until(clock, Promise.all(all.flat()));
  return turns;
}

/** Passes on each hint, a little later. */
function late(
  whenFree: NonNullable<LockAdapter['whenFree']>,
  way: () => Promise<void>,
): NonNullable<LockAdapter['whenFree']> {
  const known = new Map<AbortSignal, (() => void)[]>();
  return async (key, signal) => {
    const calls = known.get(signal);
    if (calls !== undefined) return new Promise<void>((resolve) => void calls.push(resolve));
    const mine: (() => void)[] = [];
    known.set(signal, mine);
    await whenFree(key, signal);
    const pass = async (): Promise<void> => {
      await way();
      for (const tell of mine.splice(0)) tell();
    };
    const listen = async (): Promise<void> => {
      for (;;) {
        await whenFree(key, signal);
        void pass();
      }
    };
    listen().catch(() => {});
  };
}

async function until(clock: ManualClock, end: Promise<unknown>): Promise<void> {
  let over = false;
  void end.then(() => {
    over = true;
  });
  for (let ms = 0; ms < 10 * forMs && !over; ms += 1) await clock.advance(1);
  expect(over).toBe(true);
}

/** Each process gets at least half of its share. */
function expectShares(turns: readonly number[], processes: number): void {
  const counts = Array.from({ length: processes }, (_, i) => turns.filter((process) => process === i).length);
  expect(Math.min(...counts)).toBeGreaterThan((0.5 * turns.length) / processes);
}

for (const fairness of ['fifo', 'none'] as const) {
  describe(`fairness between processes, backend queue: ${fairness}`, () => {
    for (const [processes, waiters] of [
      [2, 4],
      [4, 3],
      [3, 1],
    ] as const) {
      it(`${processes} with ${waiters} waiters each get their share`, async () => {
        const turns = await turnsOf(fairness, processes, waiters, { localRun: { count: 4 } });
        expectShares(turns, processes);
        expect(turns.length).toBeGreaterThan(0.2 * (forMs / holdMs));
      });
    }

    it('H121: without renewal, and so without hand-over, too', async () => {
      expectShares(await turnsOf(fairness, 3, 3, { autoRenew: false }), 3);
    });
  });
}

describe('a queue of processes', () => {
  it('between two runs of a process each of the others has one, and none is longer than localRun', async () => {
    const turns = await turnsOf('fifo', 4, 3, { localRun: { count: 4 } });
    const starts = [...turns.keys()].filter((i) => turns[i] !== turns[i - 1]);
    const steady = starts.slice(8, -8);
    expect(steady.length).toBeGreaterThan(40);
    for (let i = 4; i < steady.length; i += 1) {
      expect(new Set(steady.slice(i - 3, i + 1).map((at) => turns[at])).size).toBe(4);
      expect(steady[i]! - steady[i - 1]!).toBe(5);
    }
  });
});

describe('the local hand-over batch', () => {
  it.each([
    ['the adapter says', 3, undefined, 4],
    ['these locks say', 3, { count: 1 }, 2],
    ['nobody says', undefined, undefined, 65],
  ])('is as long as %s', async (_, localRunCount, localRun, grants) => {
    const clock = manualClock();
    const { backend } = faultyAdapter(clock, { fairness: 'fifo' });
    const locks = createLocks({ ...backend, localRunCount }, { clock, ...(localRun && { localRun }) });
    const other = createLocks(backend, { clock });
    const turns: string[] = [];
    const turn = (who: string) => async (): Promise<void> => void turns.push(who);
    const held = await createLocks(backend, { clock }).acquire('k');
    const mine = Array.from({ length: 70 }, () => locks.using('k', turn('mine')));
    const others = other.using('k', turn('other'));
    await held.release();
    await Promise.all([...mine, others]);
    expect(turns.indexOf('other')).toBe(grants);
  });

  it('that is none is refused, whoever says it', () => {
    const { backend } = faultyAdapter(manualClock());
    expect(() => createLocks({ ...backend, localRunCount: 0.5 })).toThrow(
      /localRunCount of the adapter memory is a whole number/,
    );
  });
});

describe('where the backend keeps no order', () => {
  it('a process whose requests arrive right behind its releases lets the others come first', async () => {
    const turns = await turnsOf('none', 2, 4, { localRun: { count: 4 } }, () => 5);
    expectShares(turns, 2);
  });

  it('who stands back for others that are gone asks again soon', async () => {
    const clock = manualClock();
    const store = memoryStore();
    const [mine, gone] = [faultyAdapter(clock, { store }), faultyAdapter(clock, { store })];
    const locks = createLocks(mine, { clock, localRun: { count: 2 } });
    const other = createLocks(gone, { clock });
    const held = await locks.acquire('k');
    // It listens, and its requests get nowhere from now on.
    void other.acquire('k').catch(() => {});
    await clock.advance(20);
    gone.otherwise('tryAcquire', 'request lost');
    let served = 0;
    const waiting = Array.from({ length: 9 }, async () => {
      const lock = await locks.acquire('k');
      served += 1;
      await lock.release();
    });
    await held.release();
    await clock.advance(30);
    expect(served).toBe(9);
    await Promise.all(waiting);
  });
});

it.each([true, false])(
  'H92: readers of one process are let in together where an answer takes a while, too (autoRenew %s)',
  async (autoRenew) => {
    const { clock, adapter, locks, other } = twoClients({ ttlMs: 1_000, autoRenew }, 'fifo');
    const writer = await other.acquire('k');
    adapter.otherwise('enqueue', { replyAfterMs: 150 });
    const readers = Array.from({ length: 20 }, () => follow(locks.acquire('k', { mode: 'shared' })));
    await clock.advance(200);
    const next = follow(other.acquire('k'));
    await writer.release();
    await clock.advance(160);
    expect(readers.map(({ state }) => state)).toEqual(readers.map(() => 'resolved'));
    expect(adapter.count('enqueue')).toBe(1);
    // What the way took is missing from the lease of each.
    for (const { value } of readers) expect(value?.remainingMs).toBeGreaterThan(500);
    await Promise.all(readers.map(({ value }) => value?.release()));
    await clock.advance(1);
    expect(next.state).toBe('resolved');
  },
);
