import { LockError } from '@holdfast/lock-core';

/** The key holds something that is no lock; nobody may touch it (H25). */
export function foreignKey(name: string, redisKey: string, client: string): LockError {
  return new LockError(
    'LOCK_FOREIGN_KEY',
    `Redis key ${JSON.stringify(redisKey)} (${client}) holds data of another type, not a lock; it was left untouched. ` +
      'Use another name, or another prefix for all locks.',
    { key: name },
  );
}

/** The fence key holds something that no token can be made from: going on could hand out a token twice (H62). */
export function corruptFence(name: string, redisKey: string, client: string): LockError {
  return new LockError(
    'LOCK_FOREIGN_KEY',
    `Redis key ${JSON.stringify(redisKey)} (${client}) should hold the fencing tokens of this lock but holds something ` +
      'else; it was left untouched and no lock was granted. Find out who writes it, then delete it.',
    { key: name },
  );
}

// Also how a script reports that its user may not do something, and how a long command of an unknown user is refused.
const refusals = /^(WRONGPASS|NOAUTH|NOPERM)\b|^ERR .*(user executing the script|unauthenticated (multi)?bulk length)/;

/**
 * A definite refusal of the client's credentials or rights as a `LockError`, since asking again changes nothing; any other
 * error as it is, which means "unknown" and may be tried again.
 */
export function readable(error: unknown, client: string, name?: string): unknown {
  const refusal = refusalIn(error);
  if (refusal === undefined) return error;
  // The server's words, of which none is a password; the client's error may carry the command, so it is no cause.
  return new LockError(
    'LOCK_BACKEND',
    `Redis (${client}) refuses access: ${refusal} ` +
      'Check the user name, the password, and the ACL rules for the keys, channels and commands of the locks.',
    { key: name, retryable: false },
  );
}

function refusalIn(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if (refusals.test(error.message)) return error.message.endsWith('.') ? error.message : `${error.message}.`;
  // How an ioredis Cluster that could reach no node, and how node-redis, say why.
  const { lastNodeError, cause } = error as { lastNodeError?: unknown; cause?: unknown };
  return refusalIn(lastNodeError ?? cause);
}
