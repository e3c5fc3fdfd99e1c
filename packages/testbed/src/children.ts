import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

/** The processes that a process has started and that have not ended. */
export function childrenOf(pid: number): number[] {
  const children = `/proc/${pid}/task/${pid}/children`;
  return (existsSync(children) ? readFileSync(children, 'utf8') : listed(pid)).split(/\s+/).filter(Boolean).map(Number);
}

function listed(parent: number): string {
  try {
    return execFileSync('pgrep', ['-P', String(parent)], { encoding: 'utf8' });
  } catch (error) {
    if ((error as { status?: number }).status === 1) return ''; // none
    throw error;
  }
}

/** Whether a process runs; one that has ended and only waits to be collected does not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const stat = `/proc/${pid}/stat`;
  try {
    return !existsSync(stat) || !/\) Z /.test(readFileSync(stat, 'utf8'));
  } catch {
    return false; // it ended between the two looks
  }
}
