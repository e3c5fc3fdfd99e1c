import { inspect } from 'node:util';
import { isLockError, LockError } from '@holdfast/lock-core';

/**
 * Removes the secrets from the message, stack and causes of an error: client libraries put the arguments of a failed AUTH into their
 * errors. An error without secrets is returned unchanged.
 */
export function withoutSecrets(error: unknown, forms: readonly string[]): unknown {
  const secrets = [...forms].sort((a, b) => b.length - a.length);
  const shown = inspect(error, { depth: 10, showHidden: true });
  if (!secrets.some((secret) => shown.includes(secret))) return error;
  const clean = (text: string): string => secrets.reduce((left, secret) => left.replaceAll(secret, '***'), text);
  const { cause, message } = error instanceof Error ? error : { cause: undefined, message: String(error) };
  const plainCause = cause instanceof Error ? new Error(clean(cause.message)) : undefined;
  if (!isLockError(error)) return new LockError('LOCK_BACKEND', clean(message), { cause: plainCause });
  return new LockError(error.code, clean(message), { key: error.key, retryable: error.retryable, cause: plainCause });
}

/** The password in a URL as it is written there, whether or not the URL is valid. */
export function passwordIn(url: string): string | undefined {
  return /:\/\/[^:@/]*:(.*)@/s.exec(url)?.[1];
}

/** Every form in which a password may appear in a text: as it is, percent-encoded, decoded, and escaped in JSON. */
export function secretForms(password: string | undefined): string[] {
  if (password === undefined || password === '') return [];
  const plain = [password, ...decoded(password)];
  const encoded = plain.map((form) => encodeURIComponent(form));
  const lowerCase = encoded.map((form) => form.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()));
  const escaped = plain.map((form) => JSON.stringify(form).slice(1, -1));
  // The longest first: if a shorter form were replaced within a longer one, the rest of that would remain.
  return [...new Set([...plain, ...encoded, ...lowerCase, ...escaped])].sort((a, b) => b.length - a.length);
}

function decoded(text: string): string[] {
  try {
    return [decodeURIComponent(text)];
  } catch {
    return [];
  }
}
