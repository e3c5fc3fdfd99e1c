/** Why a lock call failed. */
export type LockErrorCode =
  /** The lock stayed busy for longer than `waitMs`. */
  | 'LOCK_TIMEOUT'
  /** The hold is gone: it expired, was taken over, was ended by a forced release, or exceeded `maxHoldMs`. */
  | 'LOCK_LOST'
  /** The lock was used after its own holder had released it. */
  | 'LOCK_RELEASED'
  /** The backend is unreachable, or its answers are errors or make no sense. */
  | 'LOCK_BACKEND'
  | 'LOCK_INVALID_ARGUMENT'
  /** The backend lacks a capability. */
  | 'LOCK_UNSUPPORTED'
  /** The owner would wait for its own lock, such as with `reentrant: false`. */
  | 'LOCK_SELF_DEADLOCK'
  | 'LOCK_CLOSED'
  /** The key holds data that is not a lock. */
  | 'LOCK_FOREIGN_KEY';

/** The details of a `LockError`, besides its code and message. */
export interface LockErrorOptions {
  key?: string | undefined;
  cause?: unknown;
  /** Whether the same call may succeed later. Default true for LOCK_TIMEOUT, LOCK_LOST and LOCK_BACKEND, and false for other codes. */
  retryable?: boolean | undefined;
  /**
   * For adapters. True: nothing was sent, because the backend is not ready, so core may retry and has nothing to clean up. Any other
   * retryable rejection means that the command may have taken effect. `false` says the same of a rejection that is not retryable.
   */
  notSent?: boolean | undefined;
}

const retryableCodes: ReadonlySet<LockErrorCode> = new Set(['LOCK_TIMEOUT', 'LOCK_LOST', 'LOCK_BACKEND']);

/** The only error class. Distinguish errors by `code` with `isLockError`, which also recognises errors of other copies of the package. */
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

  /** What a structured logger writes. `JSON.stringify` of a plain Error would give `{}`. */
  toJSON(): { name: string; code: LockErrorCode; message: string; key: string | undefined; retryable: boolean } {
    const { name, code, message, key, retryable } = this;
    return { name, code, message, key, retryable };
  }
}

/** Whether `error` is a `LockError` of any copy of this package and, if `code` is given, has that code. */
export function isLockError(error: unknown, code?: LockErrorCode): error is LockError {
  let named: { name: unknown; code: unknown };
  try {
    // The tag recognises errors of another realm too, such as those of a test runner's sandbox.
    if (!(error instanceof Error) && Object.prototype.toString.call(error) !== '[object Error]') return false;
    named = { name: (error as LockError).name, code: (error as LockError).code };
  } catch {
    // A Proxy that was revoked, say: anything may be thrown, and may be the reason of a signal.
    return false;
  }
  const { name, code: actual } = named;
  if (name !== 'LockError') return false;
  return code === undefined ? typeof actual === 'string' && actual.startsWith('LOCK_') : actual === code;
}

const name = (key: string): string => JSON.stringify(key);
const ms = (value: number): string => `${Math.round(value).toLocaleString('en-US')} ms`;

export const timedOut = (key: string, backend: string, waitedMs: number): LockError =>
  new LockError(
    'LOCK_TIMEOUT',
    Math.round(waitedMs) === 0
      ? `lock ${name(key)} on ${backend} is busy: try again later, or wait for it`
      : `lock ${name(key)} on ${backend} was still busy after ${ms(waitedMs)}: wait longer, or try again later`,
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
    `${what} about ${subject} from ${backend} for ${ms(forMs)}${reason(cause)}: check that the backend is running and reachable`,
    { key, cause },
  );
};

export const lost = (key: string, backend: string, why: string, cause?: unknown): LockError =>
  new LockError('LOCK_LOST', `lock ${name(key)} on ${backend} is lost: ${why}; stop the work that it guards`, {
    key,
    cause,
  });

export const expired = (key: string, backend: string, refusal?: LockError): LockError =>
  lost(key, backend, `its lease ran out before it was renewed${reason(refusal)}`, refusal);

export const heldTooLong = (key: string, backend: string, maxHoldMs: number): LockError =>
  lost(key, backend, `it was held for longer than maxHoldMs (${ms(maxHoldMs)})`);

export const released = (key: string, backend: string): LockError =>
  new LockError(
    'LOCK_RELEASED',
    `lock ${name(key)} on ${backend} has already been released: acquire it again before you use it`,
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
    `this owner already holds lock ${name(key)} and would wait for itself forever: release it first, or leave \`reentrant\` true`,
    { key },
  );

export const noUpgrade = (key: string): LockError =>
  new LockError(
    'LOCK_SELF_DEADLOCK',
    `this owner holds lock ${name(key)} shared and would wait for itself forever to hold it exclusively: release it first, or acquire it exclusively from the start`,
    { key },
  );

export const semaphoreDeadlock = (key: string, held: number, wanted: number, limit: number): LockError =>
  new LockError(
    'LOCK_SELF_DEADLOCK',
    `the bodies around this call hold ${held} of the ${limit} permits of ${name(key)}, so it would wait for itself forever to get ${wanted} more: acquire all of them at once`,
    { key },
  );

export const notAsserted = (key: string, backend: string, cause: unknown): LockError =>
  new LockError(
    'LOCK_BACKEND',
    `the client answered nothing usable about lock ${name(key)} on ${backend}${reason(cause)}: roll the transaction back`,
    { key, cause },
  );

export const unsupported = (backend: string, what: string, key?: string): LockError =>
  new LockError('LOCK_UNSUPPORTED', `${backend} has no ${what}`, { key });

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

/** @throws LockError LOCK_INVALID_ARGUMENT */
export function refuse(message: string, key?: string): never {
  throw new LockError('LOCK_INVALID_ARGUMENT', message, { key });
}

/** The value as it is shown in a message. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}…` : value);
  if (typeof value === 'function') return 'a function';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

/** How many single edits lead from one word to the other; more than two are not counted. */
function distance(from: string, to: string): number {
  if (Math.abs(from.length - to.length) > 2) return 3;
  let above = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const change = (above[j - 1] as number) + (from[i - 1] === to[j - 1] ? 0 : 1);
      row.push(Math.min(change, (above[j] as number) + 1, (row[j - 1] as number) + 1));
    }
    above = row;
  }
  return above[to.length] as number;
}

/** The known name that was probably meant. */
function closest(name: string, known: readonly string[]): string | undefined {
  const lower = name.toLowerCase();
  const prefixed = known.find((one) => lower.length > 2 && one.toLowerCase().startsWith(lower));
  const near = [...known]
    .map((one) => ({ one, edits: distance(lower, one.toLowerCase()) }))
    .filter(({ edits }) => edits <= 2)
    .sort((a, b) => a.edits - b.edits);
  return near[0]?.one ?? prefixed;
}

/**
 * Refuses unknown options, since a misspelt option would silently keep its default. Used by `createLocks` and by adapters.
 * @throws LockError LOCK_INVALID_ARGUMENT, which suggests the name that was probably meant
 */
export function checkOptionNames(options: unknown, known: readonly string[]): void {
  if (typeof options === 'function')
    refuse('options must be an object, not a function: only `using` takes one, as its last argument');
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    refuse(`options must be an object, not ${Array.isArray(options) ? 'an array' : shown(options)}`);
  }
  if ('then' in options) refuse('options must be an object, not a promise: await it first');
  // A URL, a Map or a Date has no names that could be unknown, so it would pass for no options at all.
  const type = Object.prototype.toString.call(options).slice('[object '.length, -1);
  if (type !== 'Object' && type !== 'Module') refuse(`options must be an object, not a ${type}`);
  for (const name in options) {
    if (known.includes(name)) continue;
    const meant = closest(name, known);
    const hint = meant === undefined ? `the options are ${known.join(', ')}` : `did you mean ${meant}?`;
    refuse(`there is no option ${JSON.stringify(name)}: ${hint}`);
  }
}
