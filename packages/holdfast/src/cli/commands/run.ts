import { type AcquireOptions, isLockError, type Locks } from '@holdfast/lock-core';
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
  readonly shared?: true;
  readonly permits?: number;
  readonly limit?: number;
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

  At most 3 backups at a time, on all machines together:
    holdfast run backup --limit 3 -- ./backup.sh

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
      new Option('-s, --shared', 'beside others who hold it shared, and none who holds it alone').conflicts([
        'lead',
        'limit',
        'permits',
      ]),
    )
    .addOption(
      new Option('--limit <n>', 'a semaphore: at most so many permits at a time, the same number in all calls')
        .argParser(readCount)
        .conflicts('lead'),
    )
    .addOption(new Option('--permits <n>', 'how many of them (default: 1)').argParser(readCount))
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
    .addOption(
      durationOption(
        'grace',
        'from SIGTERM to SIGKILL when the lock is lost; if given, the backend keeps the lock for that time after a loss or a crash, but for ZooKeeper',
      ).default(5_000, '5s'),
    )
    .addOption(new Option('--pass-url', 'let the command see LOCK_URL even if it has a password'))
    .addHelpText('after', examples);
  return withBackend(command).action((key: string, file: string, args: string[], options: Options) => {
    const keys = keysBeforeDashes(command) ?? [key];
    const words = keys.length === 0 ? [] : [key, file, ...args].slice(keys.length);
    const [first, ...rest] = words;
    // Commander drops the dashes, so `run -- sudo reboot` would take sudo for the key.
    if (keys.length === 0) usageError(command, "missing required argument 'key'");
    if (first === undefined) usageError(command, "missing required argument 'command'");
    for (const name of ['lead', 'limit'] as const) {
      if (options[name] && keys.length > 1) command.error(`error: --${name} takes one key`, { exitCode: 64 });
    }
    const { permits = 1, limit = options.permits === undefined ? permits : 0 } = options;
    if (permits > limit) command.error('error: --permits needs a --limit <n> of at least as many', { exitCode: 64 });
    const keepsGrace = command.getOptionValueSource('grace') !== 'default';
    return run(keys, [first, ...rest], options, keepsGrace);
  });
}

function readCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1) throw new InvalidArgumentError('It must be a whole number above 0.');
  return count;
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

async function run(
  keys: readonly string[],
  command: readonly [string, ...string[]],
  options: Options,
  keepsGrace: boolean,
): Promise<void> {
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
  const { ttl: ttlMs, maxHold: maxHoldMs, wait: waitMs, shared = false, limit } = options;
  const require = { crossProcess: true, shared, permits: limit !== undefined };
  await using locks = await openBackend(options, { require });
  // The guards count whole seconds, and stop the command up to two seconds late.
  const lockDelayMs = Math.ceil(graceMs / 1_000) * 1_000 + 2_000;
  const hasLockDelay = keepsGrace && locks.adapter.capabilities.expiry === 'ttl';
  const terms: AcquireOptions = { ttlMs, maxHoldMs, waitMs, graceMs: hasLockDelay ? lockDelayMs : undefined };
  try {
    if (options.lead) {
      process.exitCode = await leadWithCommand(locks, key, terms, events, (term) => runHeld(heldOne(term)));
      return;
    }
    const acquired = await interruptible((signal) => acquire(locks, keys, { ...terms, signal }, options, events));
    if (acquired === undefined) {
      events.progress('busy', `${key} is busy`);
      process.exitCode = options.conflictExitCode;
    } else process.exitCode = await runHeld(acquired);
  } catch (error) {
    if (error instanceof Interrupted) process.exitCode = error.exitCode;
    else if (isLockError(error, 'LOCK_TIMEOUT')) {
      report(error, options.json === true);
      process.exitCode = options.conflictExitCode;
    } else throw error;
  }
}

/** What acquires the keys: once, or with waiting. */
type Acquire = (wait: boolean) => Promise<Held | undefined>;

async function acquire(
  locks: Locks,
  keys: readonly string[],
  terms: AcquireOptions,
  options: Options,
  events: Events,
): Promise<Held | undefined> {
  const { limit, permits, shared } = options;
  const ofSemaphore = (key: string, most: number): Acquire => {
    const semaphore = locks.semaphore(key, most);
    const request = { ...terms, permits };
    return async (wait) => {
      const lock = await (wait ? semaphore.acquire(request) : semaphore.tryAcquire(request));
      return lock && heldOne(lock);
    };
  };
  const ofGroup: Acquire = (wait) => {
    const request: AcquireOptions = { ...terms, mode: shared ? 'shared' : 'exclusive' };
    return wait ? locks.acquireAll(keys, request) : locks.tryAcquireAll(keys, request);
  };
  const ask = limit === undefined ? ofGroup : ofSemaphore(keys.join(''), limit);
  const first = await ask(false);
  if (first !== undefined || options.try) return first;
  events.progress('waiting', `${keys.join(' ')} is busy, waiting`);
  return ask(true);
}
