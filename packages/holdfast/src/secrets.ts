import { inspect } from 'node:util';
import { isLockError, LockError } from '@holdfast/lock-core';

/**
 * The error without any of the secrets, in its message or its causes: client libraries put the arguments of a failed AUTH
 * into their errors. An error that holds none is given back as it is.
 */
export function withoutSecrets(error: unknown, secrets: readonly string[]): unknown {
  const shown = inspect(error, { depth: 10, showHidden: true });
  if (!secrets.some((secret) => shown.includes(secret))) return error;
  const clean = (text: string): string => secrets.reduce((left, secret) => left.replaceAll(secret, '***'), text);
  const { cause, message } = error instanceof Error ? error : { cause: undefined, message: String(error) };
  const plainCause = cause instanceof Error ? new Error(clean(cause.message)) : undefined;
  if (!isLockError(error)) return new LockError('LOCK_BACKEND', clean(message), { cause: plainCause });
  return new LockError(error.code, clean(message), { key: error.key, retryable: error.retryable, cause: plainCause });
}

/** Every way in which a password may stand in a text: as it is, percent-encoded, and decoded. */
export function secretForms(password: string | undefined): string[] {
  if (password === undefined || password === '') return [];
  return [password, encodeURIComponent(password), ...decoded(password)];
}

function decoded(text: string): string[] {
  try {
    return [decodeURIComponent(text)];
  } catch {
    return [];
  }
}
