import { setTimeout as sleep } from 'node:timers/promises';
import type { Subject } from '../subjects/subject.ts';

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

/** How many had their turn; all, with the figures, unless the limit came first. */
export interface Drained {
  readonly served: number;
  readonly figures: DrainFigures | undefined;
}

/** Lets many ask for a key at the same moment; each takes one turn of 0 ms. */
export async function measureDrain(subject: Subject, { key, waiters, limitMs }: DrainTask): Promise<Drained> {
  if (subject.waiter === undefined) throw new Error('This subject cannot wait.');
  const takes = await Promise.all(Array.from({ length: waiters }, (_, i) => subject.waiter!(key, i)));
  const waitsMs = new Float64Array(waiters);
  let served = 0;
  const cpu = process.cpuUsage();
  const begin = performance.now();
  const all = Promise.all(
    takes.map(async (take, i) => {
      const turn = await take();
      waitsMs[i] = performance.now() - begin;
      await turn.release();
      served += 1;
    }),
  );
  const limit = new AbortController();
  const late = sleep(limitMs, 'late' as const, { signal: limit.signal }).catch(() => 'late' as const);
  const outcome = await Promise.race([all, late]);
  limit.abort();
  if (outcome === 'late') {
    all.catch(() => {});
    return { served, figures: undefined };
  }
  const { user, system } = process.cpuUsage(cpu);
  return { served, figures: { totalMs: performance.now() - begin, cpuUs: user + system, waitsMs } };
}
