import type { AcquireOptions, LockOwner, LocksOptions, SemaphoreOptions } from './api.ts';
import { checkOptionNames, refuse, shown } from './errors.ts';
import type { Claim } from './lock-adapter.ts';
import { newId, ownerIds } from './owner.ts';
import { type Clock, systemClock } from './platform.ts';

/** The checked options of one `Locks`, with their defaults. */
export interface Settings {
  readonly defaults: ResolvedOptions;
  readonly backendTimeoutMs: number;
  readonly attemptTimeoutMs: number | undefined;
  readonly localRun: { readonly count: number; readonly ms: number };
  readonly clock: Clock;
}

/** The checked options of one acquisition. */
export interface ResolvedOptions {
  readonly ttlMs: number;
  readonly waitMs: number;
  readonly autoRenew: boolean;
  readonly maxHoldMs: number;
  readonly graceMs: number;
  readonly signal: AbortSignal | undefined;
  readonly owner: LockOwner | undefined;
  readonly reentrant: boolean;
  readonly claim: Claim;
  /** Makes an owner ID: see `ownerIds`. */
  readonly newOwnerId: () => string;
}

const longestKeyBytes = 1_024;

/** Refuses anything that is not a key: each backend would do something else with it (H86). */
export function checkKey(key: unknown): asserts key is string {
  if (typeof key !== 'string') {
    const hint = typeof key === 'object' && key !== null ? ': the key comes first, then the options' : '';
    refuse(`a lock key must be a string, not ${shown(key)}${hint}`);
  }
  if (key.length === 0) refuse('a lock key must not be empty');
  // At most three bytes to a UTF-16 unit, so short keys need no count.
  if (key.length * 3 > longestKeyBytes) {
    const bytes = Buffer.byteLength(key);
    if (bytes > longestKeyBytes)
      refuse(`a lock key may have at most ${longestKeyBytes} bytes of UTF-8, but this one has ${bytes}`);
  }
  // Two different broken strings have the same UTF-8, and would share a lock.
  if (!(key as string & { isWellFormed(): boolean }).isWellFormed()) {
    refuse('a lock key must be well-formed Unicode, but this one has an unpaired surrogate', key);
  }
}

/** Refuses NaN, 0, negative, fractional and infinite leases (H8) before anything is sent. */
export function checkTtl(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value <= 0) {
    refuse(`ttlMs must be a whole number of milliseconds above 0, not ${shown(value)}`);
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
    refuse(`${name} must be a number of milliseconds, ${bound}${infinite ? ' or Infinity' : ''}, not ${shown(value)}`);
  }
  return value;
}

function checkGrace(value: unknown, ttlMs: number): number {
  // The backend is asked for both together.
  if (typeof value !== 'number' || !Number.isSafeInteger(value + ttlMs) || value < 0) {
    refuse(`graceMs must be a whole number of milliseconds, 0 or more, not ${shown(value)}`);
  }
  return value;
}

function checkFlag(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') refuse(`${name} must be true or false, not ${shown(value)}`);
  return value;
}

const holdNames = ['ttlMs', 'waitMs', 'autoRenew', 'maxHoldMs', 'graceMs', 'signal', 'owner'];
const acquireNames = [...holdNames, 'reentrant', 'mode'];
const semaphoreNames = [...holdNames, 'permits'];
const locksNames = [
  'ttlMs',
  'waitMs',
  'autoRenew',
  'maxHoldMs',
  'graceMs',
  'backendTimeoutMs',
  'attemptTimeoutMs',
  'localRun',
  'name',
  'clock',
];

// A 32-bit integer: any more would be inexact somewhere.
const mostPermits = 2 ** 31 - 1;

/** One object each, since most acquisitions have the same. */
const claims: Record<'exclusive' | 'shared', Claim> = {
  exclusive: Object.freeze({ mode: 'exclusive' }),
  shared: Object.freeze({ mode: 'shared' }),
};

/** The options of an acquisition over the defaults. */
export function resolveOptions(defaults: ResolvedOptions, options: AcquireOptions | undefined): ResolvedOptions {
  if (options === undefined) return defaults;
  checkOptionNames(options, acquireNames);
  const { reentrant, mode = 'exclusive' } = options;
  if (mode !== 'exclusive' && mode !== 'shared') refuse(`mode must be 'exclusive' or 'shared', not ${shown(mode)}`);
  return resolveHold(defaults, options, reentrant, claims[mode]);
}

/** A copy with what the options inherit as well: a spread would silently drop that. */
export function copyOptions(options: AcquireOptions = {}): AcquireOptions {
  return Object.fromEntries(acquireNames.map((name) => [name, options[name as keyof AcquireOptions]]));
}

/** The options of an acquisition of permits; the limit is checked already. */
export function resolveSemaphoreOptions(
  defaults: ResolvedOptions,
  options: SemaphoreOptions | undefined = {},
  limit: number,
): ResolvedOptions {
  checkOptionNames(options, semaphoreNames);
  const { permits = 1 } = options;
  if (!Number.isSafeInteger(permits) || permits < 1 || permits > limit) {
    refuse(`permits must be a whole number from 1 to the limit of the semaphore, ${limit}, not ${shown(permits)}`);
  }
  return resolveHold(defaults, options, undefined, { mode: 'permits', permits, limit });
}

/** @throws LockError LOCK_INVALID_ARGUMENT */
export function checkLimit(limit: unknown, key: string): asserts limit is number {
  const fits = typeof limit === 'number' && Number.isSafeInteger(limit) && limit >= 1 && limit <= mostPermits;
  if (!fits) {
    refuse(`the limit of a semaphore must be a whole number from 1 to ${mostPermits}, not ${shown(limit)}`, key);
  }
}

function resolveHold(
  defaults: ResolvedOptions,
  options: AcquireOptions,
  reentrant: boolean | undefined,
  claim: Claim,
): ResolvedOptions {
  const { ttlMs = defaults.ttlMs, waitMs, autoRenew, maxHoldMs, graceMs = defaults.graceMs, signal, owner } = options;
  checkSignal(signal);
  // An AsyncLocalStorage has `run` as well.
  if (owner !== undefined && (typeof owner?.run !== 'function' || !('id' in owner)))
    refuse('owner must come from createOwner() or from another lock');
  return {
    ttlMs: checkTtl(ttlMs),
    waitMs: waitMs === undefined ? defaults.waitMs : checkSpan('waitMs', waitMs, 'zero', true),
    autoRenew: autoRenew === undefined ? defaults.autoRenew : checkFlag('autoRenew', autoRenew),
    maxHoldMs: maxHoldMs === undefined ? defaults.maxHoldMs : checkSpan('maxHoldMs', maxHoldMs, 'above zero', true),
    graceMs: checkGrace(graceMs, ttlMs),
    signal,
    owner,
    reentrant: reentrant === undefined ? defaults.reentrant : checkFlag('reentrant', reentrant),
    newOwnerId: defaults.newOwnerId,
    claim,
  };
}

export function checkSignal(signal: AbortSignal | undefined): void {
  // By its members, since a test runner's sandbox has a class of its own.
  const fits = typeof signal?.addEventListener === 'function' && typeof signal.throwIfAborted === 'function';
  if (signal === undefined || fits) return;
  refuse(`signal must be an AbortSignal, such as that of an AbortController, not ${shown(signal)}`);
}

const builtIn: ResolvedOptions = {
  ttlMs: 30_000,
  waitMs: Number.POSITIVE_INFINITY,
  autoRenew: true,
  maxHoldMs: Number.POSITIVE_INFINITY,
  graceMs: 0,
  signal: undefined,
  owner: undefined,
  reentrant: true,
  claim: claims.exclusive,
  newOwnerId: newId,
};

const usualLocalRun = 64;

/** The options of a `Locks` over the built-in defaults; `localRunCount` is that of the adapter, if it has one. */
export function resolveSettings(options: LocksOptions = {}, localRunCount: number = usualLocalRun): Settings {
  checkOptionNames(options, locksNames);
  const {
    backendTimeoutMs = 10_000,
    attemptTimeoutMs,
    localRun = { count: localRunCount },
    clock = systemClock,
    name,
  } = options;
  // By their names: the rest of a destructured object would lack what it inherits.
  const { ttlMs, waitMs, autoRenew, maxHoldMs, graceMs } = options;
  if (typeof localRun !== 'object' || localRun === null)
    refuse(`localRun must be { count, ms }, not ${shown(localRun)}`);
  checkOptionNames(localRun, ['count', 'ms']);
  const { count, ms = 50 } = localRun;
  if (!Number.isSafeInteger(count) || count < 0 || count > 10_000) {
    refuse(`localRun.count must be a whole number from 0 to 10,000, not ${shown(count)}`);
  }
  return {
    defaults: {
      ...resolveOptions(builtIn, { ttlMs, waitMs, autoRenew, maxHoldMs, graceMs }),
      newOwnerId: ownerIds(name, checkClock(clock)),
    },
    backendTimeoutMs: checkSpan('backendTimeoutMs', backendTimeoutMs, 'above zero', false),
    attemptTimeoutMs:
      attemptTimeoutMs === undefined ? undefined : checkSpan('attemptTimeoutMs', attemptTimeoutMs, 'above zero', false),
    localRun: { count, ms: checkSpan('localRun.ms', ms, 'above zero', true) },
    clock,
  };
}

function checkClock(clock: Clock): Clock {
  for (const method of ['now', 'wallNow', 'setTimeout', 'clearTimeout'] as const) {
    if (typeof clock?.[method] !== 'function')
      refuse(`clock must have the functions now, wallNow, setTimeout and clearTimeout, but ${method} is missing`);
  }
  return clock;
}

/** When a call about a lease of `ttlMs` counts as unknown. */
export function attemptTimeout(settings: Settings, ttlMs: number): number {
  return settings.attemptTimeoutMs ?? Math.max(1, Math.min(ttlMs / 3, 2_000));
}
