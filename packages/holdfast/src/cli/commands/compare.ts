import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Command } from 'commander';
import { exitCodes } from '../exit-codes.ts';
import { Failure } from '../failure.ts';
import { helpText } from '../help-text.ts';
import { startChild } from '../run/child.ts';

const help = `
It starts its own servers on this machine. It is part of Holdfast's repository, so it needs a clone of
that.

Arguments of the comparison:
  --quick             shorter and noisier, under 3 minutes
  --only <parts>      only these parts, comma-separated
  --backends <names>  only these, comma-separated
  --rounds <n>        how often to repeat each measurement

Examples:
  holdfast compare --quick
  holdfast compare --only faults --backends ioredis,etcd
  holdfast compare -- --help    lists all arguments

Exit codes: that of the comparison; 78 it is not installed.
`;

/** `holdfast compare`: Redis, Redlock, ZooKeeper, etcd and PostgreSQL under the same work and the same faults. */
export function compareCommand(): Command {
  return new Command('compare')
    .description('Compare locks on Redis, Redlock, ZooKeeper, etcd and PostgreSQL under the same work and faults.')
    .usage('[arguments of the comparison]')
    .argument('[args...]', 'passed on to the comparison')
    .allowUnknownOption()
    .addHelpText('after', helpText(help))
    .action(compare);
}

async function compare(args: readonly string[]): Promise<void> {
  const manifest = findComparison();
  // Its sources are TypeScript; what loads them comes with it.
  const loader = pathToFileURL(createRequire(manifest).resolve('tsx')).href;
  const main = join(dirname(manifest), 'src', 'main.ts');
  const child = startChild(process.execPath, ['--import', loader, main, 'compare', ...args], process.env);
  process.exitCode = (await child.ended).exitCode;
}

/** The manifest of the comparison, found from the working directory, otherwise from here. */
function findComparison(): string {
  for (const from of [join(process.cwd(), 'package.json'), import.meta.url]) {
    try {
      return createRequire(from).resolve('@holdfast/compare/package.json');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  throw new Failure(
    'The comparison is not installed here. Clone the repository of Holdfast, and run `pnpm compare` there.',
    exitCodes.unsupported,
  );
}
