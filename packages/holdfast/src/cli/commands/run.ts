import { type AcquireOptions, isLockError, type Lock, type Locks } from '@holdfast/lock-core';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type BackendOptions, openBackend, withBackend } from '../backend.ts';
import { durationOption } from '../durations.ts';
import { exitCodes } from '../exit-codes.ts';
import { report } from '../failure.ts';
import { createEvents, type Events } from '../run/events.ts';
import { runUnderLock } from '../run/run-under-lock.ts';
import { Interrupted, interruptible } from '../run/signals.ts';

interface Options extends BackendOptions {
  readonly ttl?: number;
  readonly wait?: number;
  readonly try?: true;
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

  Let the database refuse a writer that resumed too late:
    holdfast run import -- sh -c 'psql -v fence="$HOLDFAST_FENCING_TOKEN" -f import.sql'

Exit codes: those of the command; 75 busy, 79 lock lost, 69 no backend, 64 wrong usage, 126 and 127 as a shell.
`;

/** `holdfast run <key> -- <command>`: runs a command while a lock is held. */
export function runCommand(): Command {
  const command = new Command('run')
    .summary('Run a command while a lock is held.')
    .description(
      'Run a command while a lock is held, on all machines at most one at a time.\n' +
        'It finds the fencing token in HOLDFAST_FENCING_TOKEN and the key in HOLDFAST_KEY.',
    )
    .usage('[options] <key> -- <command> [args...]')
    .argument('<key>', 'the lock')
    .argument('<command>', 'what to run')
    .argument('[args...]', 'its arguments')
    .addOption(durationOption('ttl', 'the lease: what a crash of this machine costs the others (default: 30s)'))
    .addOption(waitOption().conflicts('try'))
    .addOption(new Option('-n, --try', 'do not wait: exit with 75 when it is busy'))
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
    // Commander drops the dashes, so `run -- sudo reboot` would take sudo for the key.
    if (isKeyMissing(command)) {
      command.error("error: missing required argument 'key': write holdfast run <key> -- <command>", { exitCode: 64 });
    }
    return run(key, file, args, options);
  });
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

/** Whether nothing but options stands before the first `--`. */
function isKeyMissing(command: Command): boolean {
  const words: readonly string[] = (command.parent as (Command & { rawArgs?: string[] }) | null)?.rawArgs ?? [];
  const dashes = words.indexOf('--');
  return dashes >= 0 && command.args.length <= words.length - dashes - 1;
}

async function run(key: string, file: string, args: string[], options: Options): Promise<void> {
  const events = createEvents(key, options.json === true);
  await using locks = await openBackend(options);
  try {
    const lock = await interruptible((signal) => acquire(locks, key, options, events, signal));
    if (lock === undefined) {
      events.progress('busy', `${key} is busy`);
      process.exitCode = options.conflictExitCode;
      return;
    }
    events.record('held', { fencingToken: lock.fencingToken });
    const { onLost, grace: graceMs, minHold: minHoldMs, passUrl = false } = options;
    const terms = { onLost, graceMs, minHoldMs, passUrl };
    process.exitCode = await runUnderLock(lock, [file, ...args], terms, events);
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
  key: string,
  options: Options,
  events: Events,
  signal: AbortSignal,
): Promise<Lock | undefined> {
  // Options that are undefined are taken from the lock URL.
  const terms: AcquireOptions = { ttlMs: options.ttl, maxHoldMs: options.maxHold, waitMs: options.wait, signal };
  const first = await locks.tryAcquire(key, terms);
  if (first !== undefined || options.try) return first;
  events.progress('waiting', `${key} is busy, waiting`);
  return locks.acquire(key, terms);
}
