import { isLockError } from '@holdfast/lock-core';
import { Command } from 'commander';
import { type BackendOptions, openBackend, withBackend } from '../backend.ts';
import { type BusyOptions, withBusyOptions } from '../busy-options.ts';
import { positiveDurationOption } from '../durations.ts';
import { exitCodes } from '../exit-codes.ts';
import { Failure, report } from '../failure.ts';
import { helpText } from '../help-text.ts';
import { deliver, toJson } from '../output.ts';
import { interruptible, outliveSignals } from '../run/signals.ts';

interface Options extends BackendOptions, BusyOptions {
  readonly ttl: number;
}

const help = `
The lock stays held when this command ends, until "holdfast release --token" or the end of its lease. Nobody renews it, so choose a
lease longer than the work takes. If a single command does the work, use "holdfast run" instead: it renews the lease, and stops the
command if the lock is lost.

Examples:
  TOKEN=$(holdfast acquire deploy --ttl 30m --wait 10m)
  ./build.sh && ./deploy.sh
  holdfast release deploy --token "$TOKEN"

Exit codes: 0 acquired, 75 busy, 69 no backend, 64 wrong usage,
74 nobody reads the token, 78 the backend's locks do not outlive a process.
`;

/** `holdfast acquire <key> --ttl <duration>`: acquires a lock that outlives this process, and prints its fencing token. */
export function acquireCommand(): Command {
  const command = new Command('acquire')
    .summary('Acquire a lock that stays held when this command ends.')
    .description(
      'Acquire a lock that stays held when this command ends, for CI jobs with several steps. Prints its fencing token.',
    )
    .argument('<key>', 'the key of the lock')
    .addOption(positiveDurationOption('ttl', 'the lease, within which the lock must be released').makeOptionMandatory())
    .addHelpText('after', helpText(help));
  return withBackend(withBusyOptions(command)).action(acquire);
}

async function acquire(key: string, options: Options): Promise<void> {
  const { ttl: ttlMs, try: isTry = false, wait: waitMs = isTry ? 0 : undefined } = options;
  // A session ends with its process, and the lock with it.
  const require = { crossProcess: true, expiry: 'ttl', fencing: true } as const;
  const locks = await openBackend(options, { require });
  outliveSignals();
  try {
    const lock = await interruptible((signal) => locks.acquire(key, { ttlMs, waitMs, autoRenew: false, signal }));
    const { fencingToken } = lock;
    const remainingMs = Math.round(lock.remainingMs);
    deliver(options.json ? toJson({ key, fencingToken, remainingMs }) : String(fencingToken));
  } catch (error) {
    await locks.close();
    if (isLockError(error, 'LOCK_TIMEOUT')) {
      report(error, options.json === true);
      process.exitCode = options.conflictExitCode;
      return;
    }
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (syscall !== 'write') throw error;
    throw new Failure(`The token cannot be written (${code}), so the lock was released.`, exitCodes.notWritten);
  }
  // Not locks.close(), which would release the lock.
  process.exit();
}
