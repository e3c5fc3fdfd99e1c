import { Command } from 'commander';
import { type BackendOptions, openBackend, withBackend } from '../backend.ts';
import { durationOption } from '../durations.ts';
import { print, printed, printJson } from '../output.ts';
import { interruptible } from '../run/signals.ts';

interface Options extends BackendOptions {
  readonly ttl: number;
  readonly wait?: number;
}

const help = `
The lock stays when this command ends, until "holdfast release --token" or the end of its lease: nobody renews it. Choose a lease
that is longer than the work. Where a single command does the work, "holdfast run" is better: it renews, and stops it after a loss.

Examples:
  TOKEN=$(holdfast acquire deploy --ttl 30m --wait 10m)
  ./build.sh && ./deploy.sh
  holdfast release deploy --token "$TOKEN"

Exit codes: 0 acquired, 75 busy for all of --wait, 69 no backend, 64 wrong usage, 78 its locks do not outlive a process.
`;

/** `holdfast acquire <key> --ttl <duration>`: acquires a lock that outlives this process, and prints its fencing token. */
export function acquireCommand(): Command {
  const command = new Command('acquire')
    .summary('Acquire a lock that stays when this command ends.')
    .description(
      'Acquire a lock that stays when this command ends, for several steps of a CI job. Prints its fencing token.',
    )
    .argument('<key>', 'the lock')
    .addOption(durationOption('ttl', 'the lease, within which the lock must be released').makeOptionMandatory())
    .addOption(durationOption('wait', 'how long to wait for a busy lock (default: no limit)'))
    .addHelpText('after', help);
  return withBackend(command).action(acquire);
}

async function acquire(key: string, options: Options): Promise<void> {
  const { ttl: ttlMs, wait: waitMs } = options;
  // A session ends with its process, and the lock with it.
  const require = { crossProcess: true, expiry: 'ttl', fencing: true } as const;
  const locks = await openBackend(options, { require });
  try {
    const lock = await interruptible((signal) => locks.acquire(key, { ttlMs, waitMs, autoRenew: false, signal }));
    const { owner, fencingToken } = lock;
    if (options.json) printJson({ key, fencingToken: String(fencingToken), owner, remainingMs: lock.remainingMs });
    else print(String(fencingToken));
  } catch (error) {
    await locks.close();
    throw error;
  }
  await printed();
  // Not locks.close(), which would release the lock.
  process.exit();
}
