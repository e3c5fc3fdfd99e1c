import { setTimeout as sleep } from 'node:timers/promises';
import { isLockError, type LockInfo, type Locks } from '@holdfast/lock-core';
import { Command } from 'commander';
import { type BackendOptions, openBackend, withBackend } from '../backend.ts';
import { positiveDurationOption } from '../durations.ts';
import { helpText } from '../help-text.ts';
import { lockJson, lockLines } from '../lock-info.ts';
import { isTerminal, note, print, printJson, redraw, styled } from '../output.ts';
import { interruptible } from '../run/signals.ts';

interface Options extends BackendOptions {
  readonly interval: number;
}

const help = `
At a terminal, the display is redrawn. Elsewhere, and with --json, there is a line for each change of the holder or the queue.
The number of waiters is known on all backends that keep a queue, that is, all except Redlock.

Examples:
  holdfast watch nightly-report
  holdfast watch nightly-report --json --interval 200ms
`;

/** `holdfast watch <key>`: the holder and the queue, live. */
export function watchCommand(): Command {
  const command = new Command('watch')
    .description('Show the holder of a lock and its queue, live, until Ctrl-C.')
    .argument('<key>', 'the key of the lock')
    .addOption(positiveDurationOption('interval', 'how often to check').default(500, '500ms'))
    .addHelpText('after', helpText(help));
  return withBackend(command).action(watch);
}

async function watch(key: string, options: Options): Promise<void> {
  await using locks = await openBackend(options);
  const show = options.json ? jsonChanges(key) : isTerminal() ? picture(key) : lineChanges(key);
  await interruptible(async (signal) => {
    for (;;) {
      show(await unlessAborted(check(locks, key), signal));
      await sleep(options.interval, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  });
}

/** Rejects if the signal aborts first: a silent backend must not delay the end of the command. */
function unlessAborted<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(signal.reason);
    signal.addEventListener('abort', leave, { once: true });
    answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}

/** What one check showed. A backend that is unreachable for a while does not end the watch. */
type Check = { readonly info: LockInfo | undefined } | { readonly problem: string };

async function check(locks: Locks, key: string): Promise<Check> {
  try {
    return { info: await locks.inspect(key) };
  } catch (error) {
    if (!isLockError(error, 'LOCK_BACKEND') || !error.retryable) throw error;
    return { problem: error.message };
  }
}

function picture(key: string): (seen: Check) => void {
  return (seen) => {
    const lines = 'problem' in seen ? [styled('red', seen.problem)] : lockLines(key, seen.info);
    redraw([...lines, styled('dim', 'Ctrl-C ends')]);
  };
}

function lineChanges(key: string): (seen: Check) => void {
  return changes((seen) => {
    if ('problem' in seen) return note(seen.problem);
    const [state, ...details] = lockLines(key, seen.info).map((line) => line.trim().replace(/ +/g, ' '));
    print([state, ...details].join(', '));
  });
}

function jsonChanges(key: string): (seen: Check) => void {
  return changes((seen) => printJson('problem' in seen ? { key, problem: seen.problem } : lockJson(key, seen.info)));
}

/** Shows what has changed since the last check; the remaining lease does not count. */
function changes(show: (seen: Check) => void): (seen: Check) => void {
  let last: string | undefined;
  return (seen) => {
    const now = 'problem' in seen ? 'problem' : JSON.stringify({ ...lockJson('', seen.info), remainingMs: undefined });
    if (now !== last) show(seen);
    last = now;
  };
}
