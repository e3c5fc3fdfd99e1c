import { isLockError, LockError } from '@holdfast/lock-core';

const setUp = 'create the tables once with `holdfast setup <url>` or createLockSchema(), or set `createSchema`';

/** SQLSTATEs that no repetition changes, and what to do about them. */
const definite: Readonly<Record<string, string>> = {
  '28000': 'check the user and pg_hba.conf',
  '28P01': 'check the user and the password',
  '3D000': 'check the name of the database',
  '3F000': setUp,
  '42501': 'grant the rights that the README lists',
  '42883': setUp,
  '42P01': setUp,
  '08P01': 'if a pooler such as PgBouncer stands before the server, set the option `pooler`',
  TLS: 'turn `ssl` on in the server, or leave TLS out (sslmode=disable)',
  certificate: "check the host name, and the authority's certificate (sslrootcert)",
  HF001:
    "set default_transaction_isolation of the role to 'read committed', or give the locks connections of their own",
};

/** The same of those that another connection may change. */
const readOnly = '25006';
const elsewhere = 'this server is a standby, or read-only: connect to the primary';

/** Why TLS cannot be had, which is no matter of time either. */
function tlsCodeOf(error: unknown, message: string): 'TLS' | 'certificate' | undefined {
  if (/does not support SSL/i.test(message)) return 'TLS';
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' && /CERT|ALTNAME|UNABLE_TO_(GET|VERIFY)/.test(code) ? 'certificate' : undefined;
}

/** SQLSTATEs that say that the schema is not there. */
const missing: ReadonlySet<string> = new Set(['3F000', '42883', '42P01']);

/** The SQLSTATE of an error of any driver. */
function codeOf(error: unknown): string | undefined {
  // Prisma keeps it in `meta`, Drizzle wraps the error of the driver.
  const { code, meta, cause } = (error ?? {}) as { code?: unknown; meta?: { code?: unknown }; cause?: unknown };
  for (const each of [code, meta?.code]) if (typeof each === 'string' && /^[0-9A-Z]{5}$/.test(each)) return each;
  return cause === undefined ? undefined : codeOf(cause);
}

/** Whether the functions or tables are not there. */
export const isWithoutSchema = (error: unknown): boolean => missing.has(codeOf(error) ?? '');

/** Whether the server failed the statement: its transaction is undone, and the connection may be used on. */
export function isUndone(error: unknown): boolean {
  // After a failover a new connection may find the primary.
  if (codeOf(error) === readOnly) return false;
  const { severity, severity_local } = (error ?? {}) as { severity?: unknown; severity_local?: unknown };
  return codeOf(error) !== undefined && (severity === 'ERROR' || severity_local === 'ERROR');
}

/**
 * What the database refuses for good is an answer, and says what to do. Everything else, a broken connection above all, is left as it is: the
 * statement may have taken effect.
 */
export function readable(error: unknown, key?: string): unknown {
  const message = error instanceof Error ? error.message : String(error);
  const code = codeOf(error) ?? tlsCodeOf(error, message);
  const isElsewhere = code === readOnly;
  const remedy = isElsewhere
    ? elsewhere
    : code !== undefined && Object.hasOwn(definite, code)
      ? definite[code]
      : undefined;
  if (remedy === undefined || isLockError(error)) return error;
  return new LockError('LOCK_BACKEND', `PostgreSQL refuses: ${message} (${code}): ${remedy}.`, {
    key,
    cause: error,
    retryable: isElsewhere,
  });
}
