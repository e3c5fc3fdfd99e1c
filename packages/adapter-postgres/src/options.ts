import { LockError } from '@holdfast/lock-core';
import type { ClientConfig } from 'pg';
import { driverOf, type PostgresClientLike } from './drivers/clients.ts';
import type { Driver } from './drivers/driver.ts';
import { type PgClasses, pgConnections } from './drivers/pg-connections.ts';
import { quoteSchema } from './schema.ts';

/** How `postgresAdapter` reaches the database, and what it may do there. */
export interface PostgresLockOptions {
  /** `postgres://user:password@host:5432/database`. Whatever it leaves out comes from PGHOST, PGUSER and so on, as with psql. */
  readonly url?: string | undefined;
  /** Settings of `pg` beyond the URL, such as `{ password, ssl: { ca } }`. */
  readonly connection?: ClientConfig | undefined;
  /**
   * A client of the application instead of a URL; never closed. Of a `Pool` of `pg` only the settings are used, for connections of the
   * adapter's own. Any other client is for the locks alone.
   */
  readonly client?: PostgresClientLike | undefined;
  /** The schema of the tables and functions; default `holdfast`. */
  readonly schema?: string | undefined;
  /** Whether the adapter creates the schema at its first use when it is not there; default false. */
  readonly createSchema?: boolean | undefined;
  /**
   * How many connections serve requests, opened when needed; one more listens. Default 10: each carries one request at a time, so more
   * serve bursts better, and take from the server's `max_connections`.
   */
  readonly maxConnections?: number | undefined;
  /** How long one statement, or opening a connection, may take, in ms. Default 2,000: shorter finds a dead connection sooner, longer tolerates a slower database. */
  readonly callTimeoutMs?: number | undefined;
  /**
   * Whether a pooler that shares connections between transactions, such as PgBouncer in transaction mode, stands before the server; default
   * false. Nothing can listen through it, so waiters ask every 50 ms.
   */
  readonly pooler?: boolean | undefined;
  /**
   * Whether a failover forgets no commit; default false. Declare it only where `synchronous_standby_names` is set and only those standbys are
   * promoted: `holdfast doctor` checks the first.
   */
  readonly survivesFailover?: boolean | undefined;
}

/** The options, checked. */
export interface Settings {
  readonly driver: Driver;
  readonly schema: string;
  readonly createSchema: boolean;
  readonly survivesFailover: boolean;
  readonly callTimeoutMs: number;
}

const flags = ['createSchema', 'pooler', 'survivesFailover'] as const;
const counts = ['maxConnections', 'callTimeoutMs'] as const;
const known: readonly string[] = ['url', 'connection', 'client', 'schema', ...flags, ...counts];

/** @throws LockError LOCK_INVALID_ARGUMENT for an option that makes no sense */
export function settingsOf(options: PostgresLockOptions): Settings {
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw invalid(`There is no option "${unknown}" for PostgreSQL. Known: ${known.join(', ')}.`);
  for (const name of flags) {
    if (options[name] !== undefined && typeof options[name] !== 'boolean')
      throw invalid(`${name} must be true or false.`);
  }
  for (const name of counts) {
    const value = options[name];
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 1)) {
      throw invalid(`${name} must be a whole number${name.endsWith('Ms') ? ' of ms' : ''}, 1 or more.`);
    }
  }
  const { url, connection, client, schema = 'holdfast', createSchema = false, survivesFailover = false } = options;
  const { maxConnections = 10, callTimeoutMs = 2_000, pooler = false } = options;
  if (client !== undefined && (url !== undefined || connection !== undefined)) {
    throw invalid('Pass either a client, or a url and a connection.');
  }
  quoteSchema(schema);
  const shared = { maxConnections, callTimeoutMs, pooler };
  const driver =
    client === undefined
      ? pgConnections(loadPg, {
          ...shared,
          connection: url === undefined ? { ...connection } : { ...connection, connectionString: url },
        })
      : driverOf(client, shared);
  return { driver, schema, createSchema, survivesFailover, callTimeoutMs };
}

/** @throws LockError LOCK_UNSUPPORTED with the install command */
async function loadPg(): Promise<PgClasses> {
  try {
    return (await import('pg')).default;
  } catch (error) {
    throw new LockError('LOCK_UNSUPPORTED', 'The package pg is not installed: npm install pg', { cause: error });
  }
}

const invalid = (message: string): LockError => new LockError('LOCK_INVALID_ARGUMENT', message);
