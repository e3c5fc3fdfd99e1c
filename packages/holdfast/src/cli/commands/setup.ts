import { LockError } from '@holdfast/lock-core';
import { Argument, Command, Option } from 'commander';
import { objectNames } from '../../options.ts';
import { postgresTarget } from '../../postgres-target.ts';
import { schemes } from '../../schemes.ts';
import { requireUrl, urlOption } from '../backend.ts';
import { readTarget } from '../doctor/target.ts';
import { Failure } from '../failure.ts';
import { print } from '../output.ts';

interface Options {
  readonly url?: string | undefined;
  readonly print?: true;
}

const help = `
Creates the schema with the tables and functions of the locks, or brings it up to date; running it again changes nothing. The user of
the URL needs the right to create a schema in the database. What the user of the application needs is on the page about PostgreSQL. All
other backends need no set-up.

Examples:
  holdfast setup postgres://admin@db/shop
  holdfast setup postgres://admin@db/shop?schema=locks --print | psql -1 ...
`;

/** `holdfast setup [url]`: creates the tables of a database. */
export function setupCommand(): Command {
  return new Command('setup')
    .description('Create the tables and functions of the locks in a PostgreSQL database, or print their SQL.')
    .addArgument(new Argument('[url]', 'the backend, instead of --url'))
    .addOption(urlOption())
    .addOption(new Option('--print', 'print the SQL, and change nothing'))
    .addHelpText('after', help)
    .action(setUp);
}

async function setUp(text: string | undefined, options: Options): Promise<void> {
  const { url, options: all, address } = readTarget(requireUrl(text ?? options.url));
  if (!url.scheme.startsWith('postgres')) throw new Failure(`${url.scheme}: needs no set-up: it has no tables.`);
  const own = objectNames(schemes[url.scheme]!.options);
  const given = Object.fromEntries(Object.entries(all).filter(([name]) => own.includes(name)));
  const { target, options: adapterOptions } = postgresTarget(url, given);
  const { lockSchemaSql, setUpPostgres } = await loadAdapter();
  if (options.print) return print(lockSchemaSql(adapterOptions.schema).trimEnd());
  await setUpPostgres(target, adapterOptions);
  print(`The schema ${adapterOptions.schema ?? 'holdfast'} at ${address} is ready.`);
}

async function loadAdapter(): Promise<typeof import('@holdfast/adapter-postgres')> {
  try {
    return await import('@holdfast/adapter-postgres');
  } catch (error) {
    throw new LockError(
      'LOCK_UNSUPPORTED',
      'The package for this backend is not installed: npm install @holdfast/adapter-postgres pg',
      { cause: error },
    );
  }
}
