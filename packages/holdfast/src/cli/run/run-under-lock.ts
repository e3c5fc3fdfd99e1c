import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '@holdfast/lock-core';
import { shownDuration } from '../durations.ts';
import { exitCodes } from '../exit-codes.ts';
import { startChild } from './child.ts';
import { enclosingKeys, enclosingKeysVariable } from './enclosing-keys.ts';
import type { Events } from './events.ts';
import { guard } from './guard.ts';
import type { Held } from './held.ts';
import { Interrupted, interruptible } from './signals.ts';
import { runVariable } from './started-processes.ts';
import { type Stopped, stopAll, stoppedText } from './stop.ts';

/** How a command runs under its lock; times in ms. */
export interface RunOptions {
  readonly onLost: 'kill' | 'warn';
  /** Between SIGTERM and SIGKILL. */
  readonly graceMs: number;
  /** The lock is kept for at least this long, however soon the command ends. */
  readonly minHoldMs: number;
  /** Whether the command may see a password in LOCK_URL. */
  readonly passUrl: boolean;
}

/** Runs a command while `lock` is held, and returns the exit code for it. The caller releases the lock. */
export async function runUnderLock(
  lock: Held,
  command: readonly [string, ...string[]],
  { onLost, graceMs, minHoldMs, passUrl }: RunOptions,
  events: Events,
): Promise<number> {
  const startedAt = systemClock.now();
  const id = randomUUID();
  const child = startChild(command[0], command.slice(1), environment(lock, id, passUrl));
  const mark = child.pid === undefined ? undefined : { id, pid: child.pid, ownGroup: child.ownGroup };
  const dismiss = mark !== undefined && onLost === 'kill' ? guard(mark, graceMs, lock) : () => {};
  let stopping: Promise<Stopped> | undefined;
  let isLost = false;
  const lost = (): void => {
    isLost = true;
    const message = `${(lock.signal.reason as Error).message.replace(/\.$/, '')}.`;
    if (onLost === 'warn') return events.problem('lost', `${message} The command continues without it.`);
    events.problem('lost', `${message} The command is stopped.`);
    if (mark !== undefined) stopping = stopAll(mark, graceMs);
  };
  // Read once: after a stall in between (H48), a second read would find a signal that aborted before anybody listened.
  const { signal } = lock;
  if (signal.aborted) lost();
  else signal.addEventListener('abort', lost, { once: true });

  const { exitCode, problem } = await child.ended;
  signal.removeEventListener('abort', lost);
  // After a suspension past the lease, the end of the command, which a guard has stopped, may be noticed before the loss.
  if (lock.state === 'lost' && !isLost) lost();
  // Processes that the command left behind have no lock either.
  const stopped = await stopping;
  dismiss();
  if (problem !== undefined) events.problem('not-started', problem);
  if (stopped !== undefined) events.problem('stopped', stoppedText(stopped), stopped);
  else await keep(lock, minHoldMs - (systemClock.now() - startedAt), events);
  events.record('ended', { exitCode, lost: stopped !== undefined });
  return stopped === undefined ? exitCode : exitCodes.lost;
}

/** Keeps the lock for a while longer, until it is lost or a terminating signal arrives. */
async function keep(lock: Held, ms: number, events: Events): Promise<void> {
  if (ms <= 0 || lock.state !== 'held') return;
  events.progress('keeping', `the lock is kept for another ${shownDuration(ms)} (--min-hold)`);
  await interruptible((signal) => sleep(ms, undefined, { signal: AbortSignal.any([signal, lock.signal]) })).catch(
    (error: unknown) => {
      const { cause } = error as Error;
      if (!(cause instanceof Interrupted) && lock.state === 'held') throw error;
    },
  );
}

/** Text for one key, JSON for several: with several, no script can confuse the token of one key with that of another. */
function environment({ locks }: Held, id: string, passUrl: boolean): NodeJS.ProcessEnv {
  const { HOLDFAST_KEY: _, HOLDFAST_FENCING_TOKEN: ofAnother, [runVariable]: enclosing, ...env } = process.env;
  const keys = locks.map(({ key }) => key);
  if (!passUrl && env.LOCK_URL !== undefined && hasPassword(env.LOCK_URL)) delete env.LOCK_URL;
  env[runVariable] = enclosing === undefined ? id : `${enclosing} ${id}`;
  env.HOLDFAST_KEYS = JSON.stringify(keys);
  env[enclosingKeysVariable] = JSON.stringify([...new Set([...enclosingKeys(), ...keys])]);
  const tokens = locks.map(({ key, fencingToken }) => [key, fencingToken?.toString()]);
  env.HOLDFAST_FENCING_TOKENS = JSON.stringify(Object.fromEntries(tokens));
  const [only, more] = locks;
  if (only === undefined || more !== undefined) return env;
  env.HOLDFAST_KEY = only.key;
  if (only.fencingToken !== undefined) env.HOLDFAST_FENCING_TOKEN = String(only.fencingToken);
  return env;
}

/** Whether a lock URL contains a password, or anything that might be one. */
const hasPassword = (url: string): boolean => /:\/\/[^/?]*:[^/?]*@/.test(url) || /[?&]password=/i.test(url);
