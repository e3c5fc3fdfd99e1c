import { setTimeout as sleep } from 'node:timers/promises';
import type { HoldTask } from '../measures/holding.ts';
import { column, type Rounds } from '../rounds.ts';
import type { SubjectProcess } from '../subject-processes.ts';

/** What it costs to keep locks. */
export interface HoldRound {
  /** Seconds of CPU of the process for each 10 s. */
  readonly cpuSeconds: number;
  readonly lost: number;
  /** How much the server's counters grew in a second. */
  readonly perSecond: readonly number[];
}

/** Takes locks, lets renewal settle, and measures for a time; `counters` are the server's. */
export async function measureHoldingOf(
  process: SubjectProcess,
  task: HoldTask,
  forMs: number,
  counters: () => Promise<readonly number[]>,
): Promise<HoldRound> {
  await process.ask('hold', task);
  // What is taken in one go is also renewed in one go: the first renewals are over by then.
  await sleep(task.ttlMs / 2);
  const before = await counters();
  const cpuSeconds = await process.ask('holding', forMs);
  const after = await counters();
  const lost = await process.ask('letGo', undefined as never);
  const seconds = forMs / 1_000;
  return {
    cpuSeconds: (cpuSeconds / seconds) * 10,
    lost,
    perSecond: after.map((count, i) => (count - before[i]!) / seconds),
  };
}

/** Losses of Holdfast; the raw calls have nothing that would survive an overloaded machine. */
export function lossFailures(rounds: Rounds<HoldRound>, names: readonly string[]): string[] {
  return names.flatMap((name) => {
    const lost = column(rounds, name, (round) => round.lost).reduce((sum, count) => sum + count, 0);
    return lost === 0 ? [] : [`${name}: ${lost} locks were lost while they were held.`];
  });
}
