import { LockError } from '@holdfast/lock-core';
import type { ClientConfig } from 'pg';

/** How `postgresAdapter` reaches the database. */
export interface PostgresLockOptions {
  /** `postgres://user:password@host:5432/database`. Whatever it leaves out comes from PGHOST, PGUSER and so on, as with psql. */
  readonly url?: string | undefined;
  /** Settings of `pg` beyond the URL, e.g. `{ password, ssl: { ca } }`. */
  readonly connection?: ClientConfig | undefined;
  /**
   * How many connections serve requests, opened when needed; one more listens while somebody waits. Default 10: each
   * carries one request at a time, so more serve bursts better, and take from the server's `max_connections`.
   */
  readonly maxConnections?: number | undefined;
  /**
   * How long one statement, or opening a connection, may take, in ms. Default 2,000: shorter finds a dead connection
   * sooner, longer bears a slower database.
   */
  readonly callTimeoutMs?: number | undefined;
}

/** @throws LockError LOCK_INVALID_ARGUMENT for an option that makes no sense. */
export function settingsOf(options: PostgresLockOptions): {
  connection: ClientConfig;
  maxConnections: number;
  callTimeoutMs: number;
} {
  const known = ['url', 'connection', 'maxConnections', 'callTimeoutMs'];
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw invalid(`There is no option "${unknown}" for PostgreSQL. Known: ${known.join(', ')}.`);
  const { url, connection, maxConnections = 10, callTimeoutMs = 2_000 } = options;
  if (!isCount(maxConnections)) throw invalid('maxConnections must be a whole number, 1 or more.');
  if (!isCount(callTimeoutMs)) throw invalid('callTimeoutMs must be a whole number of ms, 1 or more.');
  return {
    connection: url === undefined ? { ...connection } : { ...connection, connectionString: url },
    maxConnections,
    callTimeoutMs,
  };
}

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 1;

const invalid = (message: string): LockError => new LockError('LOCK_INVALID_ARGUMENT', message);
