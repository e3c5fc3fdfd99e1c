/** Why a lock call failed. */
export type LockErrorCode =
  /** Busy past `waitMs`. */
  | 'LOCK_TIMEOUT'
  /** The hold is gone: expired, taken over, force-released or past `maxHoldMs`. */
  | 'LOCK_LOST'
  /** The backend is unreachable or answers errors. */
  | 'LOCK_BACKEND'
  | 'LOCK_INVALID_ARGUMENT'
  /** A capability is missing. */
  | 'LOCK_UNSUPPORTED'
  /** A non-reentrant acquire of one's own lock. */
  | 'LOCK_SELF_DEADLOCK'
  | 'LOCK_CLOSED'
  /** The key holds data that is no lock. */
  | 'LOCK_FOREIGN_KEY';

/** What a `LockError` says beside its code and message. */
export interface LockErrorOptions {
  key?: string | undefined;
  cause?: unknown;
  /** Whether the same call may succeed later; default by code: true for LOCK_TIMEOUT, LOCK_LOST and LOCK_BACKEND. */
  retryable?: boolean | undefined;
}

const retryableCodes: ReadonlySet<LockErrorCode> = new Set(['LOCK_TIMEOUT', 'LOCK_LOST', 'LOCK_BACKEND']);

/** The one error class. Tell errors apart by `code` with `isLockError`, which works across two copies of the package. */
export class LockError extends Error {
  override readonly name: string = 'LockError';
  readonly code: LockErrorCode;
  readonly key: string | undefined;
  readonly retryable: boolean;

  constructor(code: LockErrorCode, message: string, options: LockErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.key = options.key;
    this.retryable = options.retryable ?? retryableCodes.has(code);
  }
}

/** Whether `error` is a `LockError` (of any copy of this package), optionally of one code. */
export function isLockError(error: unknown, code?: LockErrorCode): error is LockError {
  if (!(error instanceof Error) || error.name !== 'LockError') return false;
  const actual = (error as LockError).code;
  return code === undefined ? typeof actual === 'string' && actual.startsWith('LOCK_') : actual === code;
}
