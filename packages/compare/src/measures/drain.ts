import { setTimeout as sleep } from 'node:timers/promises';
import type { Contestant } from '../contestants/contestant.ts';

export interface DrainTask {
  readonly key: string;
  readonly waiters: number;
  /** When to give up; the process is of no use then, since its waiters still wait. */
  readonly limitMs: number;
}

/** What it took until all had their turn. */
export interface DrainFigures {
  readonly totalMs: number;
  readonly cpuUs: number;
  readonly waitsMs: Float64Array;
}

/** Lets many ask for a key at the same moment; each takes one turn of 0 ms. `undefined` when the limit came first. */
export async function measureDrain(
  contestant: Contestant,
  { key, waiters, limitMs }: DrainTask,
): Promise<DrainFigures | undefined> {
  if (contestant.waiter === undefined) throw new Error('This contestant cannot wait.');
  const takes = await Promise.all(Array.from({ length: waiters }, (_, i) => contestant.waiter!(key, i)));
  const waitsMs = new Float64Array(waiters);
  const cpu = process.cpuUsage();
  const begin = performance.now();
  const all = Promise.all(
    takes.map(async (take, i) => {
      const turn = await take();
      waitsMs[i] = performance.now() - begin;
      await turn.giveBack();
    }),
  );
  const limit = new AbortController();
  const late = sleep(limitMs, 'late' as const, { signal: limit.signal }).catch(() => 'late' as const);
  const outcome = await Promise.race([all, late]);
  limit.abort();
  if (outcome === 'late') {
    all.catch(() => {});
    return undefined;
  }
  const { user, system } = process.cpuUsage(cpu);
  return { totalMs: performance.now() - begin, cpuUs: user + system, waitsMs };
}
