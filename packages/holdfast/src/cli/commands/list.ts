import type { LockInfo } from '@holdfast/lock-core';
import { Command } from 'commander';
import { type BackendOptions, openBackend, withBackend } from '../backend.ts';
import { lockJson, lockTable } from '../lock-info.ts';
import { note, print, printJson } from '../output.ts';

const help = `
In a pattern * stands for any characters and ? for one; quote it, or the shell takes it. Redis is searched as a whole, in small
steps: on a big database that takes a while, and keeps nobody waiting.

Examples:
  holdfast list
  holdfast list 'invoice:*'
  holdfast list --json | jq -r '.[] | select(.waiters > 10) | .key'
`;

/** `holdfast list [pattern]`: the locks that are held. */
export function listCommand(): Command {
  const command = new Command('list')
    .description('List the locks that are held.')
    .argument('[pattern]', 'only the keys that fit, such as "invoice:*"', '*')
    .addHelpText('after', help);
  return withBackend(command).action(list);
}

async function list(pattern: string, options: BackendOptions): Promise<void> {
  await using locks = await openBackend(options);
  const infos: LockInfo[] = [];
  for await (const info of locks.list(pattern)) infos.push(info);
  infos.sort((a, b) => (a.key < b.key ? -1 : 1));
  if (options.json) printJson(infos.map((info) => lockJson(info.key, info)));
  else if (infos.length === 0) note('No such lock is held.');
  else for (const line of lockTable(infos)) print(line);
}
