import type { AcquireOptions, Clock, LockOwner, LocksOptions } from './api.ts';
import { systemClock } from './clock.ts';
import { LockError } from './errors.ts';

/** The checked options of one `Locks`, with their defaults. */
export interface Settings {
  readonly defaults: Terms;
  readonly backendTimeoutMs: number;
  readonly attemptTimeoutMs: number | undefined;
  readonly localRun: { readonly count: number; readonly ms: number };
  readonly clock: Clock;
}

/** The checked options of one acquisition. */
export interface Terms {
  readonly ttlMs: number;
  readonly waitMs: number;
  readonly autoRenew: boolean;
  readonly maxHoldMs: number;
  readonly signal: AbortSignal | undefined;
  readonly owner: LockOwner | undefined;
  readonly reentrant: boolean;
}

const longestKeyBytes = 1_024;

function refuse(message: string, key?: string): never {
  throw new LockError('LOCK_INVALID_ARGUMENT', message, { key });
}

const shown = (value: unknown): string => (typeof value === 'string' ? JSON.stringify(value) : String(value));

/** Refuses what is no key: the backends would each do something else with it (H86). */
export function checkKey(key: unknown): asserts key is string {
  if (typeof key !== 'string') refuse(`a lock key is a string, not ${key === null ? 'null' : typeof key}`);
  if (key.length === 0) refuse('a lock key is not empty');
  // At most three bytes to a UTF-16 unit, so short keys need no count.
  if (key.length * 3 > longestKeyBytes) {
    const bytes = Buffer.byteLength(key);
    if (bytes > longestKeyBytes)
      refuse(`a lock key has at most ${longestKeyBytes} bytes of UTF-8, this one has ${bytes}`);
  }
  // Two different broken strings have the same UTF-8, and would share a lock.
  if (!(key as string & { isWellFormed(): boolean }).isWellFormed()) {
    refuse('a lock key is well-formed Unicode: this one has a surrogate without its other half', key);
  }
}

/** Refuses NaN, 0, negative, fractional and infinite leases (H8) before anything is sent. */
export function checkTtl(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value <= 0) {
    refuse(`ttlMs is a whole number of milliseconds above 0, not ${shown(value)}`);
  }
  return value;
}

function checkSpan(name: string, value: unknown, least: 'zero' | 'above zero', infinite: boolean): number {
  const fits =
    typeof value === 'number' &&
    (least === 'zero' ? value >= 0 : value > 0) &&
    (infinite || value !== Number.POSITIVE_INFINITY);
  if (!fits) {
    const bound = least === 'zero' ? '0 or more' : 'above 0';
    refuse(`${name} is a number of milliseconds, ${bound}${infinite ? ' or Infinity' : ''}, not ${shown(value)}`);
  }
  return value;
}

function checkFlag(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') refuse(`${name} is true or false, not ${shown(value)}`);
  return value;
}

const acquireNames = ['ttlMs', 'waitMs', 'autoRenew', 'maxHoldMs', 'signal', 'owner', 'reentrant'];
const locksNames = [
  'ttlMs',
  'waitMs',
  'autoRenew',
  'maxHoldMs',
  'backendTimeoutMs',
  'attemptTimeoutMs',
  'localRun',
  'clock',
];

/** A misspelt option would silently mean its default. */
function checkNames(options: object, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) refuse(`options are an object, not ${shown(options)}`);
  for (const name in options) {
    if (!known.includes(name))
      refuse(`there is no option ${JSON.stringify(name)}; the options are ${known.join(', ')}`);
  }
}

/** The options of an acquisition over the defaults. */
export function resolveTerms(defaults: Terms, options: AcquireOptions | undefined): Terms {
  if (options === undefined) return defaults;
  checkNames(options, acquireNames);
  const { ttlMs, waitMs, autoRenew, maxHoldMs, signal, owner, reentrant } = options;
  if (signal !== undefined && typeof signal?.addEventListener !== 'function') refuse('signal is an AbortSignal');
  if (owner !== undefined && typeof owner?.run !== 'function')
    refuse('owner comes from createOwner() or from another lock');
  return {
    ttlMs: ttlMs === undefined ? defaults.ttlMs : checkTtl(ttlMs),
    waitMs: waitMs === undefined ? defaults.waitMs : checkSpan('waitMs', waitMs, 'zero', true),
    autoRenew: autoRenew === undefined ? defaults.autoRenew : checkFlag('autoRenew', autoRenew),
    maxHoldMs: maxHoldMs === undefined ? defaults.maxHoldMs : checkSpan('maxHoldMs', maxHoldMs, 'above zero', true),
    signal,
    owner,
    reentrant: reentrant === undefined ? defaults.reentrant : checkFlag('reentrant', reentrant),
  };
}

const builtIn: Terms = {
  ttlMs: 30_000,
  waitMs: Number.POSITIVE_INFINITY,
  autoRenew: true,
  maxHoldMs: Number.POSITIVE_INFINITY,
  signal: undefined,
  owner: undefined,
  reentrant: true,
};

/** The options of a `Locks` over the built-in defaults. */
export function resolveSettings(options: LocksOptions = {}): Settings {
  checkNames(options, locksNames);
  const {
    backendTimeoutMs = 10_000,
    attemptTimeoutMs,
    localRun = { count: 64 },
    clock = systemClock,
    ...terms
  } = options;
  const { count, ms = 50 } = localRun;
  if (!Number.isSafeInteger(count) || count < 0 || count > 10_000) {
    refuse(`localRun.count is a whole number from 0 to 10,000, not ${shown(count)}`);
  }
  return {
    defaults: resolveTerms(builtIn, terms),
    backendTimeoutMs: checkSpan('backendTimeoutMs', backendTimeoutMs, 'above zero', false),
    attemptTimeoutMs:
      attemptTimeoutMs === undefined ? undefined : checkSpan('attemptTimeoutMs', attemptTimeoutMs, 'above zero', false),
    localRun: { count, ms: checkSpan('localRun.ms', ms, 'above zero', true) },
    clock,
  };
}

/** When a call about a lease of `ttlMs` counts as unknown. */
export function attemptTimeout(settings: Settings, ttlMs: number): number {
  return settings.attemptTimeoutMs ?? Math.max(1, Math.min(ttlMs / 3, 2_000));
}
