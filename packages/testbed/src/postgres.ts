import { execFile } from 'node:child_process';
import { appendFile, chmod, chown, cp, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { Client, type QueryResultRow } from 'pg';
import { type Binary, binary } from './binaries.ts';
import { unpackedBundle } from './debian.ts';
import { serverFolder } from './folders.ts';
import { localhost, withFreePorts } from './ports.ts';
import { bundleOf, type PostgresMajor, postgresBuild } from './postgres-builds.ts';
import { type ServerProcess, startServer } from './server-process.ts';

/** A PostgreSQL server with the superuser `postgres`, no password, and the database `postgres`. */
export interface PostgresServer extends ServerProcess {
  /** One statement over a short-lived connection, for example `query('SELECT $1::int AS n', [1])`; answers its rows. */
  query<Row extends QueryResultRow = QueryResultRow>(text: string, values?: readonly unknown[]): Promise<Row[]>;
}

export interface PostgresOptions {
  /** More settings of the server, for example `{ synchronous_commit: 'off' }`. */
  settings?: Readonly<Record<string, string>>;
  /** A major version, as npm has it built, instead of what the system or Debian has. */
  version?: PostgresMajor | undefined;
}

const run = promisify(execFile);

/** `nobody`: PostgreSQL refuses to run as root. Without root there is no choice, and no need of one. */
export const nobody: { uid: number; gid: number } | undefined =
  process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : undefined;

/**
 * Starts one PostgreSQL server (1 to 3 s, most of it to make an empty database). Its data outlives `kill` and `restart`,
 * as the files do; nothing is synced to the disk.
 */
export function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  return withFreePorts(1, ([port]) => startPostgresOn(port!, options));
}

const dataOf = new WeakMap<PostgresServer, string>();

/**
 * Starts a standby that streams from `primary`, asynchronously until the primary names it in `synchronous_standby_names`; `SELECT
 * pg_promote()` makes a primary of it. The primary is stopped for a moment.
 */
export async function startPostgresStandby(primary: PostgresServer): Promise<PostgresServer> {
  const from = dataOf.get(primary);
  if (from === undefined) throw new Error('only a server of startPostgres can have a standby');
  await primary.kill();
  const conninfo = `host=${primary.host} port=${primary.port} user=postgres application_name=standby`;
  const standby = await withFreePorts(1, ([port]) =>
    startPostgresOn(port!, {}, async (data) => {
      await rm(data, { recursive: true });
      await cp(from, data, { recursive: true, verbatimSymlinks: true });
      await rm(join(data, 'postmaster.pid'), { force: true });
      await writeFile(join(data, 'standby.signal'), '');
      // Not on the command line, so that a test can change it.
      await appendFile(join(data, 'postgresql.auto.conf'), `primary_conninfo = '${conninfo}'\n`);
      if (nobody) await run('chown', ['-R', `${nobody.uid}:${nobody.gid}`, data]);
    }),
  );
  await primary.restart();
  return standby;
}

async function startPostgresOn(
  port: number,
  { settings = {}, version }: PostgresOptions,
  fill?: (data: string) => Promise<void>,
): Promise<PostgresServer> {
  const folder = serverFolder('postgres');
  if (nobody) await giveAway(folder, nobody);
  const [found, bundle] =
    version === undefined ? [await binary('postgres'), 'postgres'] : [await postgresBuild(version), bundleOf(version)];
  const { path: program, env } = await withinReach(found, folder, bundle);
  const data = join(folder, 'data');
  const url = `postgres://postgres@${localhost}:${port}/postgres`;
  const ask: PostgresServer['query'] = (text, values) => query(url, 5_000, text, values);
  const all = {
    ...{ listen_addresses: localhost, port: String(port), unix_socket_directories: '', max_connections: '400' },
    ...{ shared_buffers: '16MB', jit: 'off', fsync: 'off', timezone: 'UTC', log_timezone: 'UTC' },
    ...settings,
  };
  const server = await startServer({
    ...{ name: 'PostgreSQL', url, port, folder, user: nobody, forks: true, env },
    command: [program, '-D', data, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    prepare: async () => {
      if (fill !== undefined) return fill(data);
      if (nobody) await chown(data, nobody.uid, nobody.gid);
      const how = ['--username=postgres', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'];
      await run(join(dirname(program), 'initdb'), ['-D', data, ...how], {
        ...{ cwd: folder, env: { ...process.env, ...env }, ...nobody },
      });
    },
    // The server tells its data folder: the answer of another server that took the port first must not count.
    healthy: async (_pid, timeoutMs) => {
      const [row] = await query<{ data: string }>(url, timeoutMs, `SELECT current_setting('data_directory') AS data`);
      return row?.data === data;
    },
  });
  const postgres = Object.assign(server, { query: ask });
  dataOf.set(postgres, data);
  return postgres;
}

async function query<Row extends QueryResultRow>(
  connectionString: string,
  timeoutMs: number,
  text: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  const client = new Client({ connectionString, connectionTimeoutMillis: timeoutMs, query_timeout: timeoutMs });
  client.on('error', () => {}); // what breaks a statement rejects it as well
  try {
    await client.connect();
    return (await client.query<Row>(text, [...values])).rows;
  } finally {
    await client.end();
  }
}

/** Lets another user work in the folder; the one above it must let that user through. */
export async function giveAway(folder: string, { uid, gid }: { uid: number; gid: number }): Promise<void> {
  await chmod(dirname(folder), 0o711);
  await chown(folder, uid, gid);
}

/** The program where the server's user can reach it: a download may lie in a home folder that is closed to that user. */
export async function withinReach(found: Binary, folder: string, name: string): Promise<Binary> {
  const path = await realpath(found.path);
  const bundle = unpackedBundle(name);
  if (!nobody || !bundle || !path.startsWith(`${bundle}/`) || (await isOpen(path))) return { ...found, path };
  const copy = join(folder, 'program');
  await cp(bundle, copy, { recursive: true, verbatimSymlinks: true });
  await chmod(copy, 0o755);
  const moved = Object.entries(found.env).map(([name, value]) => [name, value.replaceAll(bundle, copy)]);
  return { ...found, path: path.replace(bundle, copy), env: Object.fromEntries(moved) };
}

/** Whether everybody may pass through all folders on the way to a file. */
async function isOpen(file: string): Promise<boolean> {
  for (let at = dirname(file); ; at = dirname(at)) {
    if (((await stat(at)).mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}
