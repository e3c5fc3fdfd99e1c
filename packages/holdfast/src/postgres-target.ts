import type { PostgresLockOptions, PostgresTarget } from '@holdfast/adapter-postgres';
import { invalid } from './invalid.ts';
import { type Address, type LockUrl, withPorts } from './lock-url.ts';

type TlsOptions = Pick<PostgresTarget, 'sslmode' | 'sslrootcert' | 'sslcert' | 'sslkey'>;

/** The database of a URL, and the options for its adapter. @throws LockError LOCK_INVALID_ARGUMENT without exactly one host */
export function postgresTarget(
  url: LockUrl,
  all: Readonly<Record<string, unknown>>,
): { readonly target: PostgresTarget; readonly options: PostgresLockOptions } {
  if (url.hosts.length !== 1) {
    const example = 'postgres://user:password@host:5432/database';
    throw invalid(`The lock URL ${url.scheme}:… is not valid: it needs one host, such as ${example}.`);
  }
  const [{ host, port }] = withPorts(url, 5_432) as [Address];
  const { username, password } = url;
  const database = url.path === '' ? undefined : url.path;
  const { sslmode, sslrootcert, sslcert, sslkey, ...options } = all as TlsOptions & PostgresLockOptions;
  return { target: { host, port, username, password, database, sslmode, sslrootcert, sslcert, sslkey }, options };
}
