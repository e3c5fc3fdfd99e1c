import { setTimeout as sleep } from 'node:timers/promises';
import { type Lock, systemClock } from '@holdfast/lock-core';
import { shownDuration } from '../durations.ts';
import { exitCodes } from '../exit-codes.ts';
import { startChild } from './child.ts';
import type { Events } from './events.ts';
import { guard } from './guard.ts';
import { Interrupted, interruptible } from './signals.ts';

/** How a command runs under its lock; times in ms. */
export interface RunOptions {
  readonly onLost: 'kill' | 'warn';
  /** Between SIGTERM and SIGKILL. */
  readonly graceMs: number;
  /** The lock is kept this long, however soon the command ends. */
  readonly minHoldMs: number;
}

/** Runs a command while `lock` is held, and gives the exit code for it. The lock is still to be released. */
export async function runUnderLock(
  lock: Lock,
  command: readonly [string, ...string[]],
  { onLost, graceMs, minHoldMs }: RunOptions,
  events: Events,
): Promise<number> {
  const startedAt = systemClock.now();
  const [file, ...args] = command;
  const child = startChild(file, args, environment(lock));
  const dismiss = child.target !== undefined && onLost === 'kill' ? guard(child.target, graceMs) : () => {};
  let kill: NodeJS.Timeout | undefined;
  const lost = (): void => {
    const { message } = lock.signal.reason as Error;
    if (onLost === 'warn') return events.problem('lost', `${message} The command goes on without it.`);
    events.problem('lost', `${message} The command is stopped.`);
    child.signal('SIGTERM');
    kill = setTimeout(() => child.signal('SIGKILL'), graceMs);
  };
  // One look: after a stall in between (H48) a second one would find the lock lost, and the signal aborted before we listen.
  const { signal } = lock;
  if (signal.aborted) lost();
  else signal.addEventListener('abort', lost, { once: true });

  const { exitCode, problem } = await child.ended;
  signal.removeEventListener('abort', lost);
  clearTimeout(kill);
  dismiss();
  if (problem !== undefined) events.problem('not-started', problem);
  const stopped = kill !== undefined;
  // What it started and left behind has no lock either.
  if (stopped && child.target! < 0) child.signal('SIGKILL');
  if (!stopped) await keep(lock, minHoldMs - (systemClock.now() - startedAt), events);
  events.record('ended', { exitCode, lost: stopped });
  return stopped ? exitCodes.lost : exitCode;
}

/** Keeps the lock a while longer, until it is lost or somebody asks us to end. */
async function keep(lock: Lock, ms: number, events: Events): Promise<void> {
  if (ms <= 0 || lock.state !== 'held') return;
  events.progress('keeping', `the lock is kept for another ${shownDuration(ms)} (--min-hold)`);
  await interruptible((signal) => sleep(ms, undefined, { signal: AbortSignal.any([signal, lock.signal]) })).catch(
    (error: unknown) => {
      const { cause } = error as Error;
      if (!(cause instanceof Interrupted) && lock.state === 'held') throw error;
    },
  );
}

function environment({ key, fencingToken }: Lock): NodeJS.ProcessEnv {
  const { HOLDFAST_FENCING_TOKEN: ofAnother, ...env } = process.env;
  const token = fencingToken === undefined ? {} : { HOLDFAST_FENCING_TOKEN: String(fencingToken) };
  return { ...env, HOLDFAST_KEY: key, ...token };
}
