import { Command } from 'commander';
import { type BackendOptions, openBackend, withBackend } from '../backend.ts';
import { exitCodes } from '../exit-codes.ts';
import { helpText } from '../help-text.ts';
import { lockJson, lockLines } from '../lock-info.ts';
import { print, printJson } from '../output.ts';

const help = `
Examples:
  holdfast inspect invoice:42
  holdfast inspect invoice:42 --json | jq -r .fencingToken

Exit codes: 0 held, 1 free.
`;

/** `holdfast inspect <key>`: who holds a lock. */
export function inspectCommand(): Command {
  const command = new Command('inspect')
    .description('Show who holds a lock, for how long, and how many wait for it.')
    .argument('<key>', 'the key of the lock')
    .addHelpText('after', helpText(help));
  return withBackend(command).action(inspect);
}

async function inspect(key: string, options: BackendOptions): Promise<void> {
  await using locks = await openBackend(options);
  const info = await locks.inspect(key);
  if (options.json) printJson(lockJson(key, info));
  else for (const line of lockLines(key, info)) print(line);
  process.exitCode = info === undefined ? exitCodes.no : exitCodes.ok;
}
