/** Why a lock call failed. */
export type LockErrorCode =
  /** The lock stayed busy for longer than `waitMs`. */
  | 'LOCK_TIMEOUT'
  /** The hold is gone: it expired, was taken over, was released by force, or exceeded `maxHoldMs`. */
  | 'LOCK_LOST'
  /** The lock was released by its own holder and is used afterwards. */
  | 'LOCK_RELEASED'
  /** The backend is unreachable, or it answers with errors or with nonsense. */
  | 'LOCK_BACKEND'
  | 'LOCK_INVALID_ARGUMENT'
  /** The backend lacks a capability. */
  | 'LOCK_UNSUPPORTED'
  /** A non-reentrant acquire of the owner's own lock. */
  | 'LOCK_SELF_DEADLOCK'
  | 'LOCK_CLOSED'
  /** The key holds data that is not a lock. */
  | 'LOCK_FOREIGN_KEY';

/** The details of a `LockError` besides its code and message. */
export interface LockErrorOptions {
  key?: string | undefined;
  cause?: unknown;
  /** Whether the same call may succeed later. By default true for LOCK_TIMEOUT, LOCK_LOST and LOCK_BACKEND. */
  retryable?: boolean | undefined;
  /**
   * For adapters: nothing was sent, because the backend is not ready. Core may then retry, and has nothing to clean up.
   * Any other retryable rejection means that the command may have taken effect; `false` says so of a refusal, too.
   */
  notSent?: boolean | undefined;
}

const retryableCodes: ReadonlySet<LockErrorCode> = new Set(['LOCK_TIMEOUT', 'LOCK_LOST', 'LOCK_BACKEND']);

/** The only error class. Tell errors apart by `code` with `isLockError`, which also recognises other copies of the package. */
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
    if (options.notSent !== undefined) Object.defineProperty(this, 'notSent', { value: options.notSent });
  }

  /** What a structured logger writes; `JSON.stringify` of a plain Error would give `{}`. */
  toJSON(): { name: string; code: LockErrorCode; message: string; key: string | undefined; retryable: boolean } {
    const { name, code, message, key, retryable } = this;
    return { name, code, message, key, retryable };
  }
}

/** Whether `error` is a `LockError` (of any copy of this package), optionally of one code. */
export function isLockError(error: unknown, code?: LockErrorCode): error is LockError {
  // The tag recognises errors of another realm too, such as those of a test runner's sandbox.
  if (!(error instanceof Error) && Object.prototype.toString.call(error) !== '[object Error]') return false;
  const { name, code: actual } = error as LockError;
  if (name !== 'LockError') return false;
  return code === undefined ? typeof actual === 'string' && actual.startsWith('LOCK_') : actual === code;
}

/** A `LockError` that no repetition changes: a definite answer. */
export const isRefusal = (error: unknown): error is LockError => isLockError(error) && error.retryable === false;

/** Whether the adapter says of an acquire that it cannot have taken effect: it never left the process, or it was refused. */
export const isWithoutEffect = (error: unknown): boolean =>
  wasNotSent(error) || (isRefusal(error) && (error as { notSent?: unknown }).notSent !== false);

/** Whether the adapter says that the command never left the process, so that the backend cannot know of it. */
export const wasNotSent = (error: unknown): boolean => (error as { notSent?: unknown } | undefined)?.notSent === true;

const name = (key: string): string => JSON.stringify(key);
const ms = (value: number): string => `${Math.round(value).toLocaleString('en-US')} ms`;

export const timedOut = (key: string, backend: string, waitedMs: number): LockError =>
  new LockError(
    'LOCK_TIMEOUT',
    `lock ${name(key)} was still busy after ${ms(waitedMs)} (${backend}): wait longer, or try again later`,
    { key },
  );

/** A call timed out. Different from any other failure: nothing came back at all. */
class NoAnswer extends Error {}

/** Why a call counts as unknown when its time is up. */
export const noAnswer = (withinMs: number): Error => new NoAnswer(`no answer within ${ms(withinMs)}`);

export const unreachable = (key: string | undefined, backend: string, forMs: number, cause: unknown): LockError => {
  const subject = key === undefined ? 'the locks' : `lock ${name(key)}`;
  const what = cause instanceof NoAnswer || cause === undefined ? 'no answer' : 'no usable answer';
  return new LockError(
    'LOCK_BACKEND',
    `${what} about ${subject} from ${backend} for ${ms(forMs)}${reason(cause)}: check that the backend is up and reachable`,
    { key, cause },
  );
};

export const lost = (key: string, backend: string, why: string, cause?: unknown): LockError =>
  new LockError('LOCK_LOST', `lock ${name(key)} on ${backend} is lost: ${why}; stop the work that it guards`, {
    key,
    cause,
  });

export const expired = (key: string, backend: string): LockError =>
  lost(key, backend, 'its lease ran out before it was renewed');

export const heldTooLong = (key: string, backend: string, maxHoldMs: number): LockError =>
  lost(key, backend, `it was held for longer than maxHoldMs (${ms(maxHoldMs)})`);

export const released = (key: string, backend: string): LockError =>
  new LockError(
    'LOCK_RELEASED',
    `lock ${name(key)} on ${backend} was released already: acquire it again before you use it`,
    { key },
  );

/** What a lock that is not held says: a new error each time, so that its stack names the caller. */
export const notHeld = (key: string, backend: string, loss: LockError | undefined): LockError =>
  loss === undefined ? released(key, backend) : new LockError(loss.code, loss.message, { key, cause: loss });

export const closed = (key?: string): LockError =>
  new LockError(
    'LOCK_CLOSED',
    `these locks are closed: open new ones${key === undefined ? '' : ` to lock ${name(key)}`}`,
    { key },
  );

export const selfDeadlock = (key: string): LockError =>
  new LockError(
    'LOCK_SELF_DEADLOCK',
    `this owner already holds lock ${name(key)} and would wait for itself without end: release it first, or leave \`reentrant\` true`,
    { key },
  );

export const noUpgrade = (key: string): LockError =>
  new LockError(
    'LOCK_SELF_DEADLOCK',
    `this owner shares lock ${name(key)} and would wait for itself without end to have it exclusively: release it first, or ask for it exclusively from the start`,
    { key },
  );

export const semaphoreDeadlock = (key: string, held: number, wanted: number, limit: number): LockError =>
  new LockError(
    'LOCK_SELF_DEADLOCK',
    `the bodies around this call hold ${held} of the ${limit} permits of ${name(key)}, so it would wait for itself without end to have ${wanted} more: ask for all of them at once`,
    { key },
  );

export const unsupported = (backend: string, what: string, key?: string): LockError =>
  new LockError('LOCK_UNSUPPORTED', `${backend} has no ${what}`, { key });

export const endless = (backend: string, cursor: string): LockError =>
  new LockError(
    'LOCK_BACKEND',
    `listing the locks of ${backend} would never end: after the page at ${name(cursor)} it named the same page again; report it to the author of the adapter`,
    { retryable: false },
  );

export const nonsense = (backend: string, call: string, key: string | undefined, what: string): LockError =>
  new LockError(
    'LOCK_BACKEND',
    `the adapter ${backend} answered ${call}${key === undefined ? '' : ` of lock ${name(key)}`} with ${what}; report it to the author of the adapter`,
    { key, retryable: false },
  );

export const forceUnknown = (key: string, backend: string, forMs: number, cause: unknown): LockError =>
  new LockError(
    'LOCK_BACKEND',
    `forceRelease of lock ${name(key)} had no answer from ${backend} for ${ms(forMs)}${reason(cause)}, so it is unknown whether the lock was freed: inspect it before you try again`,
    { key, cause },
  );

function reason(cause: unknown): string {
  if (cause instanceof AggregateError && cause.errors.length > 0) return reason(cause.errors[0]);
  const message = (cause as { message?: unknown } | undefined)?.message;
  return typeof message === 'string' && message !== '' ? ` (${message})` : '';
}

const withCaller = new WeakSet<object>();

/**
 * Makes the stack of a `LockError` that was made elsewhere (in a timer, in the adapter) name the line that awaits it. Call it
 * where V8 can follow the awaiting functions: in an async function or a promise reaction that they wait for.
 */
export function nameCaller<T>(error: T): T {
  if (!isLockError(error) || withCaller.has(error)) return error;
  withCaller.add(error);
  const here: { stack?: string } = {};
  Error.captureStackTrace(here, nameCaller);
  // A source-map hook may write frames without `async`, so they are told by their place: all but this module's own.
  const frames = (here.stack ?? '').split('\n').filter((line) => line.startsWith('    at ') && !line.includes('node:'));
  const known = error.stack ?? String(error);
  const missing = frames.slice(1).filter((frame) => !known.includes(frame));
  try {
    if (missing.length > 0) error.stack = [known, ...missing].join('\n');
  } catch {
    // A frozen error keeps the stack that it has.
  }
  return error;
}

/** A promise that rejects with the error, later in this turn, once whoever awaits it can be named in the stack. */
export const rejection = (error: unknown): Promise<never> =>
  Promise.resolve()
    .then(() => {})
    .then(() => {
      throw nameCaller(error);
    });
