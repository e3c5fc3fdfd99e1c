import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** Client and server of a measurement, each on a core of its own. */
export type Side = 'client' | 'server';

/**
 * Keeps a process on one core, where Linux' `taskset` and a second core are there; else false. A wake-up on the same core
 * takes half as long as one across: which of the two happens is the scheduler's whim, and makes calls one at a time differ
 * by a factor that has nothing to do with them.
 */
export function pin(pid: number, side: Side): boolean {
  if (availableParallelism() < 2) return false;
  return spawnSync('taskset', ['-acp', side === 'client' ? '0' : '1', String(pid)]).status === 0;
}
