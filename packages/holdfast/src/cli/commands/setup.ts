import { isLockError } from '@holdfast/lock-core';
import { Argument, Command, Option } from 'commander';
import { adapterPackages } from '../../adapter-packages.ts';
import { objectNames } from '../../options.ts';
import { explainLoadFailure } from '../../packages.ts';
import { postgresTarget } from '../../postgres-target.ts';
import { schemes } from '../../schemes.ts';
import { reasonFromServers } from '../../server-answer.ts';
import { requireUrl, urlOption } from '../backend.ts';
import { reasonOf } from '../doctor/measure.ts';
import { readTarget } from '../doctor/target.ts';
import { exitCodes } from '../exit-codes.ts';
import { Failure } from '../failure.ts';
import { helpText } from '../help-text.ts';
import { print } from '../output.ts';

interface Options {
  readonly url?: string | undefined;
  readonly print?: true;
}

const help = `
Creates the schema with the tables and functions for the locks, or brings it up to date; running it again changes nothing. The user in
the URL needs the right to create a schema in the database. For the rights that the application's user needs, see the page about
PostgreSQL. No other backend needs a set-up.

Examples:
  holdfast setup postgres://admin@db/shop
  holdfast setup postgres://admin@db/shop --print | psql -1
`;

/** `holdfast setup [url]`: creates the tables of a database. */
export function setupCommand(): Command {
  return new Command('setup')
    .description('Create the tables and functions for locks in a PostgreSQL database, or print the SQL for them.')
    .addArgument(new Argument('[url]', 'the backend, instead of --url'))
    .addOption(urlOption())
    .addOption(new Option('--print', 'print the SQL and change nothing'))
    .addHelpText('after', helpText(help))
    .action(setUp);
}

async function setUp(text: string | undefined, options: Options): Promise<void> {
  const { url, options: all, address, tls } = readTarget(requireUrl(text ?? options.url, 'postgres://127.0.0.1/app'));
  if (!url.scheme.startsWith('postgres'))
    throw new Failure(`Only postgres: needs a set-up; ${url.scheme}: can be used at once.`);
  const own = objectNames(schemes[url.scheme]!.options);
  const given = Object.fromEntries(Object.entries(all).filter(([name]) => own.includes(name)));
  const { target, options: adapterOptions } = postgresTarget(url, given);
  const { lockSchemaSql, setUpPostgres } = await loadAdapter();
  if (options.print) return print(lockSchemaSql(adapterOptions.schema).trimEnd());
  try {
    await setUpPostgres(target, adapterOptions);
  } catch (error) {
    if (isLockError(error)) throw error;
    const refusal = await reasonFromServers(tls.servers, tls.wanted, url);
    const why = refusal === undefined ? `cannot be set up: ${reasonOf(error)}` : `${refusal.what} ${refusal.remedy}`;
    throw new Failure(`The database ${address} ${why}`, exitCodes.unavailable);
  }
  print(`The schema ${adapterOptions.schema ?? 'holdfast'} at ${address} is ready.`);
}

async function loadAdapter(): Promise<typeof import('@holdfast/adapter-postgres')> {
  try {
    return await import('@holdfast/adapter-postgres');
  } catch (error) {
    throw explainLoadFailure(adapterPackages.postgres, error);
  }
}
