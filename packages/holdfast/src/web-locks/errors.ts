import { isLockError, type LockErrorCode } from '@holdfast/lock-core';

const names: Partial<Record<LockErrorCode, string>> = {
  LOCK_INVALID_ARGUMENT: 'NotSupportedError',
  LOCK_UNSUPPORTED: 'NotSupportedError',
  LOCK_CLOSED: 'InvalidStateError',
  LOCK_LOST: 'AbortError',
};

/** An error under the platform's name if there is one; others, such as LOCK_BACKEND, stay as they are. */
export function platformError(error: unknown): unknown {
  const name = isLockError(error) ? names[error.code] : undefined;
  return name === undefined ? error : new DOMException((error as Error).message, { name, cause: error });
}
