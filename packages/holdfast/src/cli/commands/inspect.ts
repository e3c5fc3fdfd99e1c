import { Command } from 'commander';
import { type BackendOptions, openBackend, withBackend } from '../backend.ts';
import { exitCodes } from '../exit-codes.ts';
import { print, printJson, shown } from '../output.ts';

/** `holdfast inspect <key>`: who holds a lock. */
export function inspectCommand(): Command {
  return withBackend(
    new Command('inspect').description('Show who holds a lock.').argument('<key>', 'the lock to look at'),
  ).action(inspect);
}

async function inspect(key: string, options: BackendOptions): Promise<void> {
  await using locks = await openBackend(options);
  const info = await locks.inspect(key);
  if (options.json) printJson({ ...info, key, held: info !== undefined });
  else print(info === undefined ? `${shown(key)} is free` : `${shown(key)} is held by ${shown(info.owner)}`);
  process.exitCode = info === undefined ? exitCodes.no : exitCodes.ok;
}
