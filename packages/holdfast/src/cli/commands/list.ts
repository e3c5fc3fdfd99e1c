import type { LockInfo } from '@holdfast/lock-core';
import { Command } from 'commander';
import { type BackendOptions, openBackend, withBackend } from '../backend.ts';
import { helpText } from '../help-text.ts';
import { lockJson, lockTable } from '../lock-info.ts';
import { note, print, printJson } from '../output.ts';

const help = `
In a pattern, * matches any characters and ? matches one. Quote the pattern, so that the shell does not expand it. On Redis, the whole
database is searched in small steps. On a big database, this takes a while but blocks nobody.

Examples:
  holdfast list
  holdfast list 'invoice:*'
  holdfast list --json | jq -r '.[] | select(.waiters > 9)'
`;

/** `holdfast list [pattern]`: the locks that are held. */
export function listCommand(): Command {
  const command = new Command('list')
    .description('List the locks that are held.')
    .argument('[pattern]', 'only the keys that match, such as "invoice:*"', '*')
    .addHelpText('after', helpText(help));
  return withBackend(command).action(list);
}

async function list(pattern: string, options: BackendOptions): Promise<void> {
  await using locks = await openBackend(options);
  const infos: LockInfo[] = [];
  for await (const info of locks.list(pattern)) infos.push(info);
  infos.sort((a, b) => (a.key < b.key ? -1 : 1));
  if (options.json) printJson(infos.map((info) => lockJson(info.key, info)));
  else if (infos.length === 0) note(pattern === '*' ? 'No lock is held.' : 'No lock that matches is held.');
  else for (const line of lockTable(infos)) print(line);
}
