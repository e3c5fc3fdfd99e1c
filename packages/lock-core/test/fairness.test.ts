import { describe, expect, it } from 'vitest';
import { memoryStore } from '../../adapter-memory/src/index.ts';
import { Acquirer } from '../src/acquire.ts';
import { createContext } from '../src/context.ts';
import { createLocks } from '../src/index.ts';
import { resolveSettings } from '../src/options.ts';
import { type ManualClock, manualClock } from '../src/testing.ts';
import { Watchdog } from '../src/watchdog.ts';
import { faultyAdapter } from './support/faulty-adapter.ts';

const holdMs = 1;
const forMs = 1_000;

/** Processes of one backend without a queue, each with waiters that take the key again and again for 1 ms; who held it, in order. */
async function turnsOf(processes: number, waiters: number, slow = false): Promise<number[]> {
  const clock = manualClock(0);
  const store = memoryStore();
  const turns: number[] = [];
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => void clock.setTimeout(resolve, ms));
  const all = Array.from({ length: processes }, (_, process) => {
    const adapter = faultyAdapter(clock, { store });
    const { whenFree } = adapter;
    if (slow) {
      adapter.otherwise('tryAcquire', { replyAfterMs: 1 });
      adapter.otherwise('release', { replyAfterMs: 1 });
      adapter.whenFree = async (key, signal) => {
        await whenFree?.(key, signal);
        await sleep(1);
      };
    }
    const locks = createLocks(adapter, { clock });
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

async function until(clock: ManualClock, end: Promise<unknown>): Promise<void> {
  let over = false;
  void end.then(() => {
    over = true;
  });
  for (let ms = 0; ms < 10 * forMs && !over; ms += 1) await clock.advance(1);
  expect(over).toBe(true);
}

describe('fairness between processes, where the backend keeps no order', () => {
  for (const [processes, waiters] of [
    [2, 4],
    [4, 3],
  ] as const) {
    it(`${processes} with ${waiters} waiters each take turns`, async () => {
      const turns = await turnsOf(processes, waiters);
      const counts = Array.from({ length: processes }, (_, i) => turns.filter((process) => process === i).length);
      expect(Math.min(...counts)).toBeGreaterThan((0.5 * turns.length) / processes);
      // Handing over to one another takes no time on this clock.
      expect(turns.length).toBeGreaterThan(0.9 * (forMs / holdMs));
    });
  }

  it('a process with one waiter that takes the lock again at once lets the others have it in between', async () => {
    for (const processes of [2, 3]) {
      const turns = await turnsOf(processes, 1, true);
      const steady = turns.slice(5, -5);
      expect(steady.length).toBeGreaterThan(100);
      for (let i = processes; i <= steady.length; i += 1)
        expect(new Set(steady.slice(i - processes, i)).size).toBe(processes);
    }
  });

  it('a key that nobody takes again is soon forgotten', async () => {
    const clock = manualClock();
    const adapter = faultyAdapter(clock);
    const { release } = adapter;
    adapter.release = (hold) => {
      hold.onWaiting?.(1);
      return release.call(adapter, hold);
    };
    const context = createContext(adapter, resolveSettings({ clock }));
    const lock = await new Acquirer(context, new Watchdog(context)).acquire('k', undefined);
    await lock.release();
    expect(context.keys.size).toBe(1);
    await clock.advance(10);
    expect(context.keys.size).toBe(0);
    await clock.advance(1_000);
    expect(clock.pending).toBe(0);
  });

  it('between two runs of a process each of the others has one', async () => {
    const turns = await turnsOf(4, 3);
    const runs = turns.filter((process, i) => process !== turns[i - 1]);
    // At the beginning they get to know each other; at the end they leave.
    const steady = runs.slice(8, -8);
    expect(steady.length).toBeGreaterThan(40);
    for (let i = 4; i < steady.length; i += 1) expect(new Set(steady.slice(i - 3, i + 1)).size).toBe(4);
  });

  it('a run ends when each waiter of the process had two turns, long before its time, while others wait', async () => {
    const turns = await turnsOf(2, 2);
    let [longest, run] = [0, 0];
    for (const [i, process] of turns.entries()) {
      run = process === turns[i - 1] ? run + 1 : 1;
      if (i > 20) longest = Math.max(longest, run);
    }
    expect(longest).toBeLessThanOrEqual(5);
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
