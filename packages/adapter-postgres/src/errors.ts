import { LockError } from '@holdfast/lock-core';

/** SQLSTATEs that no repetition changes, and what to do about them. */
const definite: Readonly<Record<string, string>> = {
  '28000': 'check user and pg_hba.conf',
  '28P01': 'check user and password',
  '3D000': 'check the name of the database',
  '3F000': 'run createLockTables() once',
  '42501': 'grant the rights that the README lists',
  '42883': 'run createLockTables() once',
  '42P01': 'run createLockTables() once',
};

/**
 * What the database refuses for good is an answer, and says what to do. Everything else, a broken connection above all, is
 * left as it is: the statement may have taken effect.
 */
export function readable(error: unknown, key?: string): unknown {
  const code = (error as { code?: unknown } | undefined)?.code;
  const remedy = typeof code === 'string' && Object.hasOwn(definite, code) ? definite[code] : undefined;
  if (remedy === undefined) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new LockError('LOCK_BACKEND', `PostgreSQL refuses: ${message} (${code}): ${remedy}.`, {
    key,
    cause: error,
    retryable: false,
  });
}
