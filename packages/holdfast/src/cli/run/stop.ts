import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '@holdfast/lock-core';
import { type RunMark, startedProcesses } from './started-processes.ts';

/** The outcome for the processes of a command. */
export interface Stopped {
  /** How many were sent SIGTERM. */
  readonly asked: number;
  /** How many ended only by SIGKILL. */
  readonly killed: number;
  /** Those that still run because they belong to another user. */
  readonly left: readonly number[];
}

const pollMs = 50;
const killPasses = 20;

/**
 * Stops a command and everything that it started: with SIGTERM, and with SIGKILL whatever still runs after the grace period. Stopped
 * processes are continued, because they would not receive the SIGTERM otherwise.
 */
export async function stopAll(mark: RunMark, graceMs: number): Promise<Stopped> {
  const asked = new Set<number>();
  const killedAt = systemClock.now() + graceMs;
  // Processes that are started in the meantime get a SIGTERM, too; each process gets one.
  for (;;) {
    const running = startedProcesses(mark);
    if (running.length === 0) return { asked: asked.size, killed: 0, left: [] };
    for (const pid of running.filter((each) => !asked.has(each))) {
      asked.add(pid);
      send(pid, 'SIGTERM');
      send(pid, 'SIGCONT');
    }
    const leftMs = killedAt - systemClock.now();
    if (leftMs <= 0) break;
    await sleep(Math.min(pollMs, leftMs));
  }
  const killed = new Set<number>();
  const refused = new Set<number>();
  for (let pass = 0; pass < killPasses; pass++) {
    const running = startedProcesses(mark).filter((pid) => !refused.has(pid));
    if (running.length === 0) break;
    for (const pid of running) (send(pid, 'SIGKILL') ? killed : refused).add(pid);
    await sleep(pollMs);
  }
  return { asked: asked.size, killed: killed.size, left: startedProcesses(mark) };
}

/** Whether the signal was permitted, or the process has already ended. */
function send(pid: number, name: NodeJS.Signals): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/** The outcome as a sentence. */
export function stoppedText({ asked, killed, left }: Stopped): string {
  const rest = left.length === 0 ? '' : ` Still running: ${left.join(', ')}.`;
  if (asked === 0) return `It had ended already.${rest}`;
  const count = asked === 1 ? 'It was' : `It and ${asked - 1} other process${asked === 2 ? '' : 'es'} were`;
  const force = killed === 0 ? '' : `, and ${killed} of them killed (SIGKILL) after the grace`;
  return `${count} stopped (SIGTERM)${force}.${rest}`;
}
