import { createInterface } from 'node:readline/promises';
import { Command, Option } from 'commander';
import { type BackendOptions, openBackend, withBackend } from '../backend.ts';
import { exitCodes } from '../exit-codes.ts';
import { Failure } from '../failure.ts';
import { lockLines } from '../lock-info.ts';
import { note, print, printJson, shown } from '../output.ts';

interface Options extends BackendOptions {
  readonly yes?: true;
}

const help = `
Its holder is told that the lock is lost, at the latest at its next renewal; until then it may still be at work. A resource that
checks fencing tokens refuses it.

Examples:
  holdfast release --force nightly-report
  holdfast release --force nightly-report --yes    without asking, in a script

Exit codes: 0 freed, 1 it was free, or the answer was no.
`;

/** `holdfast release --force <key>`: frees a lock, whoever holds it. */
export function releaseCommand(): Command {
  const command = new Command('release')
    .description('Free a lock, whoever holds it. Asks first.')
    .argument('<key>', 'the lock')
    .addOption(new Option('--force', 'required: the lock belongs to another owner').makeOptionMandatory())
    .addOption(new Option('-y, --yes', 'do not ask'))
    .addHelpText('after', help);
  return withBackend(command).action(release);
}

async function release(key: string, options: Options): Promise<void> {
  await using locks = await openBackend(options);
  const info = await locks.inspect(key);
  const wanted = info === undefined || options.yes === true || (await confirmed(lockLines(key, info)));
  const freed = info !== undefined && wanted && (await locks.forceRelease(key));
  if (options.json) printJson({ key, released: freed });
  else print(freed ? `${shown(key)} is free now` : `${shown(key)} ${wanted ? 'was free' : 'was left as it is'}`);
  process.exitCode = freed ? exitCodes.ok : exitCodes.no;
}

async function confirmed(lines: readonly string[]): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new Failure('It is held, and there is no terminal to ask at: say --yes to free it all the same.');
  }
  for (const line of lines) note(line);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    // At the end of the input, such as Ctrl-D, there is no answer.
    const ended = new Promise<string>((resolve) => terminal.once('close', () => resolve('')));
    const answer = await Promise.race([terminal.question('Free it? [y/N] '), ended]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}
