import { type AcquireOptions, isLockError, type LockGroup, type Locks } from '@holdfast/lock-core';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type BackendOptions, openBackend, withBackend } from '../backend.ts';
import { durationOption } from '../durations.ts';
import { exitCodes } from '../exit-codes.ts';
import { report } from '../failure.ts';
import { createEvents, type Events } from '../run/events.ts';
import { type Held, heldOne } from '../run/held.ts';
import { leadWithCommand } from '../run/lead-with-command.ts';
import { runUnderLock } from '../run/run-under-lock.ts';
import { Interrupted, interruptible } from '../run/signals.ts';

interface Options extends BackendOptions {
  readonly ttl?: number;
  readonly wait?: number;
  readonly try?: true;
  readonly lead?: true;
  readonly minHold: number;
  readonly maxHold?: number;
  readonly onLost: 'kill' | 'warn';
  readonly grace: number;
  readonly conflictExitCode: number;
  readonly passUrl?: true;
}

const examples = `
Examples:
  A cron job on three machines, of which one runs it; the others exit with 75 at once:
    LOCK_URL=redis://db:6379
    0 3 * * *  holdfast run nightly-report --try --min-hold 5m -- /usr/local/bin/report

  Wait for the lock, at most 10 s:
    holdfast run deploy --wait 10s -- ./deploy.sh production

  As flock(1) has it, for all machines: -n does not wait, -w waits so many seconds, -E is the exit code when busy:
    holdfast run -n -E 0 nightly-report -- ./report.sh

  One of the machines runs the worker, and another one takes over when it is gone:
    holdfast run scheduler --lead -- node worker.js

  Two keys, both or none:
    holdfast run account:1 account:2 -- ./transfer.sh

  Let the database refuse a writer that resumed too late:
    holdfast run import -- sh -c 'psql -v fence="$HOLDFAST_FENCING_TOKEN" -f import.sql'

Exit codes: those of the command; 75 busy, 79 lock lost, 69 no backend, 64 wrong usage, 126 and 127 as a shell.
`;

/** `holdfast run <key>... -- <command>`: runs a command while the locks of the keys are held. */
export function runCommand(): Command {
  const command = new Command('run')
    .summary('Run a command while a lock is held.')
    .description(
      'Run a command while a lock is held, on all machines at most one at a time. Of several keys it holds all or none.\n' +
        'It finds the fencing token in HOLDFAST_FENCING_TOKEN and the key in HOLDFAST_KEY; with several keys, in\n' +
        'HOLDFAST_FENCING_TOKENS and HOLDFAST_KEYS, as JSON.',
    )
    .usage('[options] <key>... -- <command> [args...]')
    .argument('<key>', 'the lock; there may be several keys before the --')
    .argument('<command>', 'what to run')
    .argument('[args...]', 'its arguments')
    .addOption(durationOption('ttl', 'the lease: what a crash of this machine costs the others (default: 30s)'))
    .addOption(waitOption().conflicts('try'))
    .addOption(new Option('-n, --try', 'do not wait: exit with 75 when it is busy'))
    .addOption(
      new Option(
        '--lead',
        'wait until this machine leads, and run the command again whenever it leads again',
      ).conflicts('try'),
    )
    .addOption(
      new Option('-E, --conflict-exit-code <n>', 'the exit code when it is busy')
        .argParser(readExitCode)
        .default(exitCodes.busy),
    )
    .addOption(
      durationOption(
        'min-hold',
        'hold the lock for at least this long; make it longer than your clock skew, so that a cron job runs once',
      ).default(0, 'not'),
    )
    .addOption(
      durationOption(
        'max-hold',
        'the lock is lost after this, so that a hung command cannot block the others indefinitely',
      ),
    )
    .addOption(
      new Option('--on-lost <what>', 'when the lock is lost: stop the command and what it started, or only report it')
        .choices(['kill', 'warn'])
        .default('kill'),
    )
    .addOption(durationOption('grace', 'from SIGTERM to SIGKILL when the lock is lost').default(5_000, '5s'))
    .addOption(new Option('--pass-url', 'let the command see LOCK_URL even if it has a password'))
    .addHelpText('after', examples);
  return withBackend(command).action((key: string, file: string, args: string[], options: Options) => {
    const keys = keysBeforeDashes(command) ?? [key];
    const words = keys.length === 0 ? [] : [key, file, ...args].slice(keys.length);
    const [first, ...rest] = words;
    // Commander drops the dashes, so `run -- sudo reboot` would take sudo for the key.
    if (keys.length === 0) usageError(command, "missing required argument 'key'");
    if (first === undefined) usageError(command, "missing required argument 'command'");
    if (options.lead && keys.length > 1) command.error('error: --lead takes one key', { exitCode: 64 });
    return run(keys, [first, ...rest], options);
  });
}

function usageError(command: Command, problem: string): never {
  command.error(`error: ${problem}: write holdfast run <key>... -- <command>`, { exitCode: 64 });
}

/** As flock(1), it takes a number without a unit for seconds. */
function waitOption(): Option {
  const option = durationOption('wait', 'how long to wait for a busy lock, -w 10 for 10 s (default: no limit)', '-w, ');
  const { parseArg } = option;
  return option.argParser((text) => parseArg!(/^\d+(\.\d+)?$/.test(text) ? `${text}s` : text, undefined));
}

function readExitCode(text: string): number {
  const code = Number(text);
  if (!/^\d+$/.test(text) || code > 255) throw new InvalidArgumentError('It must be a number from 0 to 255.');
  return code;
}

/** What stands before the first `--` beside options; `undefined` without one. */
function keysBeforeDashes(command: Command): string[] | undefined {
  const words: readonly string[] = (command.parent as (Command & { rawArgs?: string[] }) | null)?.rawArgs ?? [];
  const dashes = words.indexOf('--');
  if (dashes < 0) return undefined;
  return command.args.slice(0, Math.max(0, command.args.length - (words.length - dashes - 1)));
}

async function run(keys: string[], command: readonly [string, ...string[]], options: Options): Promise<void> {
  const key = keys.join(' ');
  const events = createEvents(key, options.json === true);
  const { onLost, grace: graceMs, minHold: minHoldMs, passUrl = false } = options;
  const runHeld = (held: Held): Promise<number> => {
    const [only, more] = held.locks;
    const tokens = held.locks.map(({ fencingToken }) => fencingToken);
    events.record('held', more === undefined ? { fencingToken: only?.fencingToken } : { fencingTokens: tokens });
    return runUnderLock(held, command, { onLost, graceMs, minHoldMs, passUrl }, events);
  };
  // Options that are undefined are taken from the lock URL.
  const terms: AcquireOptions = { ttlMs: options.ttl, maxHoldMs: options.maxHold, waitMs: options.wait };
  await using locks = await openBackend(options);
  try {
    if (options.lead) {
      process.exitCode = await leadWithCommand(locks, key, terms, events, (term) => runHeld(heldOne(term)));
      return;
    }
    const group = await interruptible((signal) => acquire(locks, keys, { ...terms, signal }, options, events));
    if (group === undefined) {
      events.progress('busy', `${key} is busy`);
      process.exitCode = options.conflictExitCode;
    } else process.exitCode = await runHeld(group);
  } catch (error) {
    if (error instanceof Interrupted) process.exitCode = error.exitCode;
    else if (isLockError(error, 'LOCK_TIMEOUT')) {
      report(error, options.json === true);
      process.exitCode = options.conflictExitCode;
    } else throw error;
  }
}

async function acquire(
  locks: Locks,
  keys: readonly string[],
  terms: AcquireOptions,
  options: Options,
  events: Events,
): Promise<LockGroup | undefined> {
  const first = await locks.tryAcquireAll(keys, terms);
  if (first !== undefined || options.try) return first;
  events.progress('waiting', `${keys.join(' ')} is busy, waiting`);
  return locks.acquireAll(keys, terms);
}
