import { readFileSync } from 'node:fs';
import { type LockAdapter, LockError } from '@holdfast/lock-core';
import type { ClientConfig } from 'pg';
import { postgresAdapter } from './adapter.ts';
import type { PostgresLockOptions } from './options.ts';
import { createLockSchema } from './setup.ts';

/** A database to connect to, for `openPostgres`. Fields that are left out come from PGUSER, PGDATABASE and so on, as with psql. */
export interface PostgresTarget {
  readonly host: string;
  readonly port?: number | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly database?: string | undefined;
  /**
   * As with psql. `disable` does not use TLS. `require` accepts any certificate; `verify-ca` requires one from a trusted authority;
   * `verify-full` requires in addition that it is for this host. Default: PGSSLMODE as `pg` reads it, otherwise `disable`.
   */
  readonly sslmode?: string | undefined;
  /** A PEM file with the certificates of the authorities to trust instead of Node's default authorities. */
  readonly sslrootcert?: string | undefined;
  /** A PEM file with the certificate of the client; `sslkey` is the file with its key. */
  readonly sslcert?: string | undefined;
  readonly sslkey?: string | undefined;
}

/**
 * Creates an adapter with connections of its own, which it closes. It connects when it is first used, so a server that is down is
 * reported by the first request for a lock.
 * @throws LockError LOCK_INVALID_ARGUMENT for an invalid target or option
 */
export function openPostgres(target: PostgresTarget, options: PostgresLockOptions = {}): LockAdapter {
  return postgresAdapter({ ...options, connection: { ...connectionOf(target), ...options.connection } });
}

/**
 * Creates the schema, or brings it up to date; see `createLockSchema`.
 * @throws LockError LOCK_INVALID_ARGUMENT for an invalid target or option; LOCK_BACKEND if the database refuses
 */
export function setUpPostgres(target: PostgresTarget, options: PostgresLockOptions = {}): Promise<void> {
  return createLockSchema({ ...options, connection: { ...connectionOf(target), ...options.connection } });
}

/** For bundled applications: `openLocks(url, { adapters: [postgresAdapterFactory] })`. */
export const postgresAdapterFactory: { readonly name: 'postgres'; readonly open: typeof openPostgres } = {
  name: 'postgres',
  open: openPostgres,
};

/** The settings of `pg` for a target. @throws LockError LOCK_INVALID_ARGUMENT */
export function connectionOf({ host, port, username, password, database, ...tls }: PostgresTarget): ClientConfig {
  const given = { host, port, user: username, password, database, ssl: sslOf(tls) };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

type TlsTarget = Pick<PostgresTarget, 'sslmode' | 'sslrootcert' | 'sslcert' | 'sslkey'>;

function sslOf({ sslmode, sslrootcert, sslcert, sslkey }: TlsTarget): ClientConfig['ssl'] {
  const files = { ca: pem('sslrootcert', sslrootcert), cert: pem('sslcert', sslcert), key: pem('sslkey', sslkey) };
  if (sslmode === undefined || sslmode === 'disable') {
    if (Object.values(files).every((text) => text === undefined)) return sslmode === undefined ? undefined : false;
    throw invalid('A certificate for PostgreSQL needs sslmode=verify-full, verify-ca or require.');
  }
  if (sslmode === 'require') return { ...files, rejectUnauthorized: false };
  if (sslmode === 'verify-ca') return { ...files, checkServerIdentity: () => undefined };
  if (sslmode === 'verify-full') return files;
  throw invalid('sslmode is one of disable, require, verify-ca, verify-full.');
}

function pem(name: string, file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new LockError('LOCK_INVALID_ARGUMENT', `The file of ${name} cannot be read.`, { cause: error });
  }
}

const invalid = (message: string): LockError => new LockError('LOCK_INVALID_ARGUMENT', message);
