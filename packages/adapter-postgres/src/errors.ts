import { isLockError, LockError } from '@holdfast/lock-core';

const setUp =
  'create the tables once with `holdfast setup <url>` or createLockSchema(), or set `createSchema` (in a URL `?createSchema=true`)';

const pooled = 'if there is a pooler such as PgBouncer in front of the server, set the option `pooler`';

/** SQLSTATEs that no repetition changes, and what to do about them. */
const definite: Readonly<Record<string, string>> = {
  '28000': 'check the user and pg_hba.conf',
  '28P01': 'check the user and the password',
  '3D000': 'check the name of the database',
  '3F000': setUp,
  '42501': 'grant the rights that docs/postgres.md lists',
  '42883': setUp,
  '42P01': setUp,
  '08P01': pooled,
  // A statement that was prepared in another session than the one which was lent.
  '26000': pooled,
  '42P05': pooled,
  '25P02': 'roll the transaction back, and begin another one',
  TLS: 'turn `ssl` on in the server, or leave TLS out (sslmode=disable)',
  certificate: "check the host name, and the authority's certificate (sslrootcert)",
  HF001:
    "set default_transaction_isolation of the role to 'read committed', or give the locks connections of their own",
};

/**
 * The class 42 says that a statement is none: then the tables are not ours, or the server is another one that speaks the protocol. What is
 * there already was made by somebody else just now.
 */
const isNoStatement = /^42(?!P06|P07|710|723)/;
const remedyOf = (code: string): string | undefined =>
  Object.hasOwn(definite, code) ? definite[code] : isNoStatement.test(code) ? setUp : undefined;

/** The same of those that another connection may change. */
const readOnly = '25006';
const elsewhere = 'this server is a standby, or the transaction is read-only: connect to the primary';

/** Why TLS cannot be had, which is no matter of time either. */
function tlsCodeOf(error: unknown, message: string): 'TLS' | 'certificate' | undefined {
  if (/does not support SSL/i.test(message)) return 'TLS';
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' && /CERT|ALTNAME|UNABLE_TO_(GET|VERIFY)/.test(code) ? 'certificate' : undefined;
}

/** SQLSTATEs that say that the schema is not there. */
const missing: ReadonlySet<string> = new Set(['3F000', '42883', '42P01']);

/** What the server has said, in an error of any driver. */
interface ServerError {
  readonly code?: unknown;
  readonly severity?: unknown;
  readonly message?: unknown;
}

// Prisma has codes of its own, such as P2010, which look like those of the class P0.
const sqlState = /^(?!P[1-9])[0-9A-Z]{5}$/;

/** Prisma and Drizzle wrap the error of the driver, and so do Sequelize, TypeORM and Objection. */
function serverErrorOf(error: unknown, depth = 0): ServerError {
  const { meta, cause, original, driverError, nativeError } = (error ?? {}) as Record<string, unknown>;
  const prisma = meta as { driverAdapterError?: { cause?: unknown } } | undefined;
  const inner = prisma?.driverAdapterError?.cause as Record<string, unknown> | undefined;
  // What Prisma knows by a name of its own has the words of the server beside it.
  const ofPrisma = inner && { ...inner, code: inner.originalCode ?? inner.code, message: inner.originalMessage };
  const known = [error, ofPrisma, meta].find((each) => {
    const { code } = (each ?? {}) as ServerError;
    return typeof code === 'string' && sqlState.test(code);
  });
  if (known !== undefined) return known as ServerError;
  const wrapped = [cause, original, driverError, nativeError].find((each) => each !== undefined && each !== error);
  // What goes round in circles ends here.
  return wrapped === undefined || depth > 8 ? {} : serverErrorOf(wrapped, depth + 1);
}

/** The SQLSTATE of an error of any driver. */
const codeOf = (error: unknown): string | undefined => serverErrorOf(error).code as string | undefined;

/** Whether the functions or tables are not there. */
export const isWithoutSchema = (error: unknown): boolean => missing.has(codeOf(error) ?? '');

/** Whether the user lacks a right. */
export const isForbidden = (error: unknown): boolean => codeOf(error) === '42501';

/** Whether the server failed the statement: its transaction is undone, and the connection may be used on. */
export function isUndone(error: unknown): boolean {
  const { code, severity, severity_local } = serverErrorOf(error) as ServerError & { severity_local?: unknown };
  // After a failover a new connection may find the primary.
  if (code === undefined || code === readOnly) return false;
  return severity === 'ERROR' || severity_local === 'ERROR';
}

/**
 * What the database refuses for good is an answer, and says what to do. Everything else, a broken connection above all, is left as it is: the
 * statement may have taken effect.
 */
export function readable(error: unknown, key?: string): unknown {
  const own = error instanceof Error ? error.message : String(error);
  const said = serverErrorOf(error);
  const message = typeof said.message === 'string' ? said.message : own;
  const code = codeOf(error) ?? tlsCodeOf(error, own);
  const isElsewhere = code === readOnly;
  const remedy = isElsewhere ? elsewhere : code === undefined ? undefined : remedyOf(code);
  if (remedy === undefined || isLockError(error)) return error;
  return new LockError('LOCK_BACKEND', `PostgreSQL refuses: ${message} (${code}): ${remedy}.`, {
    key,
    cause: error,
    retryable: isElsewhere,
  });
}

/** Says that a request had no effect: there was no connection, or nobody wanted it any more (H116). */
export function notSent(reason: unknown, key: string | undefined): LockError {
  if (isLockError(reason)) return reason;
  const because = reason instanceof Error ? reason.message : String(reason);
  return new LockError(
    'LOCK_BACKEND',
    `There is no connection to PostgreSQL at the moment (${because}), and nothing was sent. Check that the server is up and reachable.`,
    { key, cause: reason, notSent: true },
  );
}

/** Classes of SQLSTATEs that another try may not meet: of the connection, of others at work, of resources, an operator and the system. */
const passing = /^(?:08|23|40|42|53|55|57|58|XX)/;

/** What the statement that creates the schema says of one that a newer package has made. */
export const newerSchema = 'HF003';

/** As `readable`, of the statement that creates the schema: what the server fails there, in an event trigger for one, it fails again. */
export function readableSetUp(error: unknown): unknown {
  const known = readable(error);
  const { code, message } = serverErrorOf(error);
  if (isLockError(known) || typeof code !== 'string' || passing.test(code) || !isUndone(error)) return known;
  const remedy = code === newerSchema ? 'upgrade this package' : 'run `holdfast setup <url>` as a user who may';
  return new LockError(
    'LOCK_BACKEND',
    `PostgreSQL refuses to create the schema of the locks: ${message} (${code}): ${remedy}.`,
    { cause: error, retryable: false },
  );
}
