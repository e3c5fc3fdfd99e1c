import { type AcquireOptions, isLockError, type Locks } from '@holdfast/lock-core';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type BackendOptions, openBackend, withBackend } from '../backend.ts';
import { type BusyOptions, withBusyOptions } from '../busy-options.ts';
import { durationOption, positiveDurationOption } from '../durations.ts';
import { report } from '../failure.ts';
import { helpText } from '../help-text.ts';
import { enclosingKeys } from '../run/enclosing-keys.ts';
import { createEvents, type Events } from '../run/events.ts';
import { type Held, heldOne } from '../run/held.ts';
import { leadWithCommand } from '../run/lead-with-command.ts';
import { runUnderLock } from '../run/run-under-lock.ts';
import { interruptible, outliveSignals } from '../run/signals.ts';

interface Options extends BackendOptions, BusyOptions {
  readonly ttl?: number;
  readonly lead?: true;
  readonly shared?: true;
  readonly permits?: number;
  readonly limit?: number;
  readonly minHold: number;
  readonly maxHold?: number;
  readonly onLost: 'kill' | 'warn';
  readonly grace: number;
  readonly passUrl?: true;
}

const examples = `
Examples:
  A cron job on three machines. Only one of them runs it;
  the others exit with 75 at once:
    LOCK_URL=redis://db:6379
    0 3 * * * holdfast run report -n --min-hold 5m -- report

  Wait for the lock, at most 10 s:
    holdfast run deploy --wait 10s -- ./deploy.sh production

  Like flock(1), but across machines: -n does not wait, -w
  waits for some seconds, -E sets the exit code when busy:
    holdfast run -n -E 0 report -- ./report.sh

  One of the machines runs the worker, and another one takes
  over when that machine dies:
    holdfast run scheduler --lead -- node worker.js

  Two keys, both or none:
    holdfast run account:1 account:2 -- ./transfer.sh

  At most 3 backups at a time, across all machines:
    holdfast run backup --limit 3 -- ./backup.sh

  Let the database refuse a writer that resumed too late:
    holdfast run import -- sh -c \\
      'psql -v fence="$HOLDFAST_FENCING_TOKEN" -f job.sql'

Exit codes: that of the command; 75 busy, 79 lock lost, 69 no backend, 64 wrong usage, 126 and 127 like a shell.
`;

/** `holdfast run <key>... -- <command>`: runs a command while the locks of the keys are held. */
export function runCommand(): Command {
  const command = new Command('run')
    .summary('Run a command while a lock is held.')
    .description(
      'Run a command while a lock is held, so that it runs only once at a time across all machines. With several keys, ' +
        'all locks are held or none. The command finds the key in HOLDFAST_KEY and the fencing token in ' +
        'HOLDFAST_FENCING_TOKEN; with several keys, in HOLDFAST_KEYS and HOLDFAST_FENCING_TOKENS, as JSON.',
    )
    .usage('[options] <key>... -- <command> [args]')
    .argument('<key>', 'the key of the lock; several keys may precede the --')
    // Required all the same: commander drops the dashes, so for `run -- date` it would report that the command is missing.
    .argument('[command]', 'what to run')
    .argument('[args...]', 'its arguments')
    .addOption(
      positiveDurationOption('ttl', 'the lease: how long the others wait if this machine crashes (default: 30s)'),
    )
    .addOption(
      new Option(
        '--lead',
        'wait until this machine leads, and run the command again whenever it leads again',
      ).conflicts('try'),
    )
    .addOption(
      new Option('-s, --shared', 'hold the lock shared, together with other shared holders').conflicts([
        'lead',
        'limit',
        'permits',
      ]),
    )
    .addOption(
      new Option('--limit <n>', 'a semaphore with this many permits; the same number in all calls')
        .argParser(readCount)
        .conflicts('lead'),
    )
    .addOption(new Option('--permits <n>', 'how many permits to hold (default: 1)').argParser(readCount))
    .addOption(
      durationOption(
        'min-hold',
        'hold the lock for at least this long; make it longer than your clock skew, so that a cron job runs once',
      ).default(0, 'off'),
    )
    .addOption(
      durationOption(
        'max-hold',
        'the lock is lost after this time, so that a command that hangs cannot block the others indefinitely',
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
        'the time from SIGTERM to SIGKILL when the lock is lost; if given, the backend (except ZooKeeper) also keeps the lock for this time after a loss or a crash',
      ).default(5_000, '5s'),
    )
    .addOption(new Option('--pass-url', 'let the command see LOCK_URL even if it contains a password'))
    .addHelpText('after', helpText(examples));
  return withBackend(withBusyOptions(command)).action(
    (_key: string, _file: unknown, _args: unknown, options: Options) => {
      const { args } = command;
      const keys = keysBeforeDashes(command) ?? args.slice(0, 1);
      const [first, ...rest] = args.slice(keys.length);
      if (keys.length === 0) usageError(command, "missing required argument 'key'");
      if (first === undefined) usageError(command, "missing required argument 'command'");
      for (const name of ['lead', 'limit'] as const) {
        if (options[name] && keys.length > 1) command.error(`error: --${name} takes only one key`, { exitCode: 64 });
      }
      const { permits = 1, limit = options.permits === undefined ? permits : 0 } = options;
      if (permits > limit) command.error('error: --permits needs a --limit <n> that is not lower', { exitCode: 64 });
      const keepsGrace = command.getOptionValueSource('grace') !== 'default';
      return run(keys, [first, ...rest], options, keepsGrace);
    },
  );
}

function readCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1) throw new InvalidArgumentError('It must be a whole number above 0.');
  return count;
}

function usageError(command: Command, problem: string): never {
  command.error(`error: ${problem}: the form is holdfast run <key>... -- <command>`, { exitCode: 64 });
}

/** The arguments before the first `--` that are not options; `undefined` without `--`. */
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
  outliveSignals();
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
    if (!isLockError(error, 'LOCK_TIMEOUT')) throw error;
    report(error, options.json === true);
    process.exitCode = options.conflictExitCode;
  }
}

/** How to acquire the keys: once, or with waiting. */
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
  // Of a semaphore, permits that others hold may come back.
  const around = limit === undefined ? keys.find((key) => enclosingKeys().includes(key)) : undefined;
  if (around === undefined) events.progress('waiting', `${keys.join(' ')} is busy, waiting`);
  else {
    const why =
      'a "holdfast run" around this one holds a key of that name. If it is on the same backend, both wait for each other';
    events.problem('waiting', `${around} is busy, and ${why}.`);
  }
  return ask(true);
}
