import type { AcquireOptions, Lock, Locks } from '@holdfast/lock-core';
import type { Events } from './events.ts';
import { type Interrupted, interruptible } from './signals.ts';

/**
 * Runs a command whenever this process leads, again after a loss, and returns the exit code of the command that ended by itself.
 * A terminating signal ends the campaign. While the command runs, the signal goes to the command, and no further campaign follows.
 */
export async function leadWithCommand(
  locks: Locks,
  key: string,
  terms: AcquireOptions,
  events: Events,
  runCommand: (term: Lock) => Promise<number>,
): Promise<number> {
  const stop = new AbortController();
  let isLeading = false;
  let exitCode = 0;
  const body = async (term: Lock): Promise<void> => {
    isLeading = true;
    try {
      exitCode = await runCommand(term);
    } finally {
      isLeading = false;
    }
    if (term.state !== 'lost') return;
    if (interrupted !== undefined) stop.abort(interrupted);
    else events.progress('campaigning', `${key}: waiting to lead again`);
  };
  let interrupted: Interrupted | undefined;
  events.progress('campaigning', `${key}: waiting to lead`);
  await interruptible(async (signal) => {
    signal.addEventListener('abort', () => {
      interrupted = signal.reason as Interrupted;
      if (!isLeading) stop.abort(interrupted);
    });
    await locks.lead(key, body, { ...terms, signal: stop.signal });
  });
  return exitCode;
}
