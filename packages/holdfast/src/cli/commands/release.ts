import { createInterface } from 'node:readline/promises';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type BackendOptions, openBackend, withBackend } from '../backend.ts';
import { exitCodes } from '../exit-codes.ts';
import { Failure } from '../failure.ts';
import { helpText } from '../help-text.ts';
import { lockLines } from '../lock-info.ts';
import { note, print, printJson, shown } from '../output.ts';

interface Options extends BackendOptions {
  readonly force?: true;
  readonly token?: bigint;
  readonly yes?: true;
}

const help = `
With --token, the lock is released only if it is the one that "holdfast acquire" left. With --force, whoever holds the lock loses it.
The holder learns of this at its next renewal at the latest, and may still be at work until then. A resource that checks fencing tokens
refuses its writes.

Examples:
  holdfast release deploy --token "$TOKEN"
  holdfast release --force nightly-report

  In a script, without asking:
    holdfast release --force nightly-report --yes

Exit codes: 0 freed, 1 not freed: the lock was free or is held with another token, or you answered no.
`;

/** `holdfast release <key>`: frees the lock by its token or, with `--force`, regardless of its holder. */
export function releaseCommand(): Command {
  const command = new Command('release')
    .description('Release a lock by its fencing token, or free it by force, whoever holds it.')
    .argument('<key>', 'the key of the lock')
    .addOption(new Option('--token <token>', 'the fencing token that "acquire" printed').argParser(readToken))
    .addOption(new Option('--force', 'free the lock, whoever holds it; asks first').conflicts('token'))
    .addOption(new Option('-y, --yes', 'do not ask'))
    .addHelpText('after', helpText(help));
  return withBackend(command).action((key: string, options: Options) => {
    const { token, force } = options;
    if (token !== undefined) return releaseToken(key, token, options);
    if (force) return release(key, options);
    return command.error('error: give --token <token>, or --force to free the lock, whoever holds it', {
      exitCode: 64,
    });
  });
}

function readToken(text: string): bigint {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It must be the number that "holdfast acquire" printed.');
  return BigInt(text);
}

async function releaseToken(key: string, token: bigint, options: Options): Promise<void> {
  await using locks = await openBackend(options);
  // Names the owner, so that a later holder keeps the lock.
  const info = await locks.inspect(key);
  const released = info?.fencingToken === token && (await locks.forceRelease(key, info.owner));
  if (options.json) printJson({ key, released });
  else
    print(`${shown(key)} ${released ? 'is free now' : info === undefined ? 'was free' : 'is held with another token'}`);
  process.exitCode = released ? exitCodes.ok : exitCodes.no;
}

async function release(key: string, options: Options): Promise<void> {
  await using locks = await openBackend(options);
  const info = await locks.inspect(key);
  const asks = info !== undefined && options.yes !== true;
  const wanted = !asks || (await confirmed(lockLines(key, info)));
  // The confirmation was for the holder that was shown: a later holder keeps the lock.
  const owner = asks && (info.holders ?? 1) === 1 ? info.owner : undefined;
  const freed = info !== undefined && wanted && (await locks.forceRelease(key, owner));
  if (options.json) printJson({ key, released: freed });
  else if (freed) print(`${shown(key)} is free now`);
  else if (wanted && owner !== undefined) print(`${shown(key)} is no longer held by the holder that was shown`);
  else print(`${shown(key)} ${wanted ? 'was free' : 'was left as it is'}`);
  process.exitCode = freed ? exitCodes.ok : exitCodes.no;
}

async function confirmed(lines: readonly string[]): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new Failure('The lock is held, and there is no terminal to ask at. To free it without asking, add --yes.');
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
