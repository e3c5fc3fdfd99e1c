import { checkOptionNames, LockError } from '@holdfast/lock-core';
import type { ClientConfig } from 'pg';
import { driverOf, type PostgresClientLike } from './drivers/clients.ts';
import type { Driver } from './drivers/driver.ts';
import { type PgClasses, pgConnections } from './drivers/pg-connections.ts';
import { quoteSchema } from './schema.ts';

/** Options of `postgresAdapter`: how it connects to the database, and what it may do there. */
export interface PostgresLockOptions {
  /** `postgres://user:password@host:5432/database`. Parts that are left out come from PGHOST, PGUSER and so on, as with psql. */
  readonly url?: string | undefined;
  /** Settings of `pg` beyond the URL, such as `{ password, ssl: { ca } }`. */
  readonly connection?: ClientConfig | undefined;
  /**
   * A client of the application, instead of a URL. It is never closed. Of a `Pool` of `pg`, only the settings are used: the adapter opens
   * its own connections. Use any other client for the locks only.
   */
  readonly client?: PostgresClientLike | undefined;
  /** The schema of the tables and functions; default `holdfast`. */
  readonly schema?: string | undefined;
  /** Whether the adapter creates the schema at its first use if it does not exist; default false. */
  readonly createSchema?: boolean | undefined;
  /**
   * How many connections serve requests, default 10. They are opened when needed; one more connection listens. Each carries one request
   * at a time, so more connections serve bursts faster, but use up more of the server's `max_connections`.
   */
  readonly maxConnections?: number | undefined;
  /**
   * How long a statement, or opening a connection, may take, in ms; default 2,000. A shorter time detects a dead connection sooner; a
   * longer time tolerates a slower database.
   */
  readonly callTimeoutMs?: number | undefined;
  /**
   * Whether the connections lead to a pooler that shares them between transactions, such as PgBouncer in transaction mode; default
   * false. LISTEN does not work through such a pooler, so waiters poll every 50 ms.
   */
  readonly pooler?: boolean | undefined;
  /**
   * Whether a failover never loses a commit; default false. Declare it only if `synchronous_standby_names` is set and only those standbys
   * are ever promoted. `holdfast doctor` checks the first condition.
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

/** @throws LockError LOCK_INVALID_ARGUMENT for an invalid option */
export function settingsOf(options: PostgresLockOptions): Settings {
  checkOptionNames(options, known);
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
  // The error of a client would quote it, with the password.
  if (url !== undefined && !isReadable(url)) {
    throw invalid(
      'The url of PostgreSQL cannot be read: in user and password, percent-encode what is neither a letter nor a digit.',
    );
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

/** As `pg` reads it, which also accepts a folder of sockets, and a URL without a host. */
const isReadable = (url: unknown): boolean =>
  typeof url === 'string' && (url.startsWith('/') || URL.canParse(url.replace('@/', '@host/'), 'postgres://base'));

const invalid = (message: string): LockError => new LockError('LOCK_INVALID_ARGUMENT', message);
