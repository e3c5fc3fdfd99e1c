import { LockError } from './errors.ts';

/** The errors that lock-core makes, each saying what happened, where, and what to do. */

const name = (key: string): string => JSON.stringify(key);
const ms = (value: number): string => `${Math.round(value).toLocaleString('en-US')} ms`;

export const timedOut = (key: string, backend: string, waitedMs: number): LockError =>
  new LockError(
    'LOCK_TIMEOUT',
    `lock ${name(key)} was still busy after ${ms(waitedMs)} (${backend}): wait longer, or try again later`,
    { key },
  );

export const unreachable = (key: string | undefined, backend: string, forMs: number, cause: unknown): LockError =>
  new LockError(
    'LOCK_BACKEND',
    `no answer about ${key === undefined ? 'the locks' : `lock ${name(key)}`} from ${backend} for ${ms(forMs)}${reason(cause)}: check that the backend is up and reachable`,
    { key, cause },
  );

export const lost = (key: string, backend: string, why: string, cause?: unknown): LockError =>
  new LockError('LOCK_LOST', `lock ${name(key)} on ${backend} is lost: ${why}; stop the work that it guards`, {
    key,
    cause,
  });

export const expired = (key: string, backend: string): LockError =>
  lost(key, backend, 'its lease ran out before it was renewed');

export const released = (key: string, backend: string): LockError => lost(key, backend, 'it was released already');

export const closed = (key?: string): LockError =>
  new LockError(
    'LOCK_CLOSED',
    `these locks are closed: open new ones${key === undefined ? '' : ` to lock ${name(key)}`}`,
    { key },
  );

export const selfDeadlock = (key: string): LockError =>
  new LockError(
    'LOCK_SELF_DEADLOCK',
    `this owner already holds lock ${name(key)} and would wait for itself for ever: release it first, or leave \`reentrant\` true`,
    { key },
  );

export const unsupported = (backend: string, what: string): LockError =>
  new LockError('LOCK_UNSUPPORTED', `${backend} has no ${what}`);

export const endless = (backend: string, cursor: string): LockError =>
  new LockError(
    'LOCK_BACKEND',
    `listing the locks of ${backend} would never end: after the page at ${name(cursor)} it named the same page again; report it to the author of the adapter`,
    { retryable: false },
  );

/** Why a call counts as unknown when its time is up. */
export const noAnswer = (withinMs: number): Error => new Error(`no answer within ${ms(withinMs)}`);

function reason(cause: unknown): string {
  if (cause instanceof AggregateError && cause.errors.length > 0) return reason(cause.errors[0]);
  return cause instanceof Error && cause.message !== '' ? ` (${cause.message})` : '';
}
