import { machineNow } from '../clock.ts';
import type { SubjectProcess } from '../subject-processes.ts';
import type { ContentionRound } from './contention-figures.ts';

// Messages arrive and timers fire within that time, unless the machine is very busy.
const leadMs = 100;
const settleShare = 0.2;
const fairTurns = 1.5;
const longestMs = 4_000;

export interface Cell {
  readonly waiters: number;
  readonly processes: number;
  readonly holdMs: number;
}

/** How long to measure so that each waiter could have some turns, as far as a hand-over takes what it took before. */
export function windowMs({ waiters, holdMs }: Cell, handOverMs: number, atLeastMs: number): number {
  return Math.min(longestMs, Math.max(atLeastMs, fairTurns * waiters * (holdMs + handOverMs)));
}

/** Waiters in one or more processes compete for a key. What they do first, and after the end, does not count. */
export async function measureContention(
  subjects: readonly SubjectProcess[],
  { waiters, processes, holdMs }: Cell,
  key: string,
  forMs: number,
  requestsSoFar: () => Promise<number> = async () => Number.NaN,
): Promise<ContentionRound> {
  const each = waiters / processes;
  const before = await requestsSoFar();
  const startAt = machineNow() + leadMs;
  const from = startAt + forMs * settleShare;
  const to = from + forMs;
  const logs = await Promise.all(
    subjects
      .slice(0, processes)
      .map((one, i) => one.ask('turns', { key, waiters: each, firstWaiter: i * each, holdMs, startAt, endAt: to })),
  );
  return { logs, waiters, from, to, requests: (await requestsSoFar()) - before };
}
