import { setTimeout as sleep } from 'node:timers/promises';
import { isLockError, type LockInfo, type Locks } from '@holdfast/lock-core';
import { Command } from 'commander';
import { type BackendOptions, openBackend, withBackend } from '../backend.ts';
import { durationOption } from '../durations.ts';
import { lockJson, lockLines } from '../lock-info.ts';
import { isTerminal, note, print, printJson, redraw, styled } from '../output.ts';
import { Interrupted, interruptible } from '../run/signals.ts';

interface Options extends BackendOptions {
  readonly interval: number;
}

const help = `
At a terminal the picture is redrawn; elsewhere, and with --json, there is a line for each change of holder or queue.
How many wait is known where the backend keeps the queue: ZooKeeper and etcd.

Examples:
  holdfast watch nightly-report
  holdfast watch nightly-report --json --interval 200ms | tee changes.jsonl
`;

/** `holdfast watch <key>`: the holder and the queue, live. */
export function watchCommand(): Command {
  const command = new Command('watch')
    .description('Show the holder of a lock and its queue, live, until Ctrl-C.')
    .argument('<key>', 'the lock')
    .addOption(durationOption('interval', 'how often to check').default(500, '500ms'))
    .addHelpText('after', help);
  return withBackend(command).action(watch);
}

async function watch(key: string, options: Options): Promise<void> {
  await using locks = await openBackend(options);
  const show = options.json ? jsonChanges(key) : isTerminal() ? picture(key) : lineChanges(key);
  try {
    await interruptible(async (signal) => {
      for (;;) {
        show(await check(locks, key));
        signal.throwIfAborted();
        await sleep(options.interval, undefined, { signal }).catch(() => signal.throwIfAborted());
      }
    });
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    process.exitCode = error.exitCode;
  }
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

/** Shows what differs from the check before; the remaining lease does not count. */
function changes(show: (seen: Check) => void): (seen: Check) => void {
  let last: string | undefined;
  return (seen) => {
    const now =
      'problem' in seen
        ? 'problem'
        : `${seen.info?.owner} ${seen.info?.fencingToken} ${seen.info?.waiters} ${seen.info?.holders}`;
    if (now !== last) show(seen);
    last = now;
  };
}
