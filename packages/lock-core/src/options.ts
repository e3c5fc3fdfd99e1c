import type { AcquireOptions, Clock, LockOwner, LocksOptions } from './api.ts';
import { systemClock } from './clock.ts';
import { LockError } from './errors.ts';

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
  readonly signal: AbortSignal | undefined;
  readonly owner: LockOwner | undefined;
  readonly reentrant: boolean;
}

const longestKeyBytes = 1_024;

export function refuse(message: string, key?: string): never {
  throw new LockError('LOCK_INVALID_ARGUMENT', message, { key });
}

function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

/** Refuses anything that is not a key: each backend would do something else with it (H86). */
export function checkKey(key: unknown): asserts key is string {
  if (typeof key !== 'string') {
    const hint = typeof key === 'object' && key !== null ? ': the key comes first, then the options' : '';
    refuse(`a lock key is a string, not ${key === null ? 'null' : typeof key}${hint}`);
  }
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

export function checkPattern(pattern: unknown): void {
  if (typeof pattern !== 'string') refuse(`a pattern is a string, not ${shown(pattern)}`);
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

/**
 * Refuses options that do not exist: a misspelt one would silently mean its default. For `createLocks`, and for adapters.
 * @throws LockError LOCK_INVALID_ARGUMENT, with the name that was probably meant
 */
export function checkOptionNames(options: unknown, known: readonly string[]): void {
  if (typeof options === 'function')
    refuse('options are an object, not a function: only `using` takes one, as its last argument');
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    refuse(`options are an object, not ${Array.isArray(options) ? 'an array' : shown(options)}`);
  }
  for (const name in options) {
    if (known.includes(name)) continue;
    const meant = closest(name, known);
    const hint = meant === undefined ? `the options are ${known.join(', ')}` : `did you mean ${meant}?`;
    refuse(`there is no option ${JSON.stringify(name)}: ${hint}`);
  }
}

/** The options of an acquisition over the defaults. */
export function resolveOptions(defaults: ResolvedOptions, options: AcquireOptions | undefined): ResolvedOptions {
  if (options === undefined) return defaults;
  checkOptionNames(options, acquireNames);
  const { ttlMs, waitMs, autoRenew, maxHoldMs, signal, owner, reentrant } = options;
  checkSignal(signal);
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

export function checkSignal(signal: AbortSignal | undefined): void {
  // By its members, since a test runner's sandbox has a class of its own.
  const fits = typeof signal?.addEventListener === 'function' && typeof signal.throwIfAborted === 'function';
  if (signal === undefined || fits) return;
  refuse(`signal is an AbortSignal, such as that of an AbortController, not ${shown(signal)}`);
}

const builtIn: ResolvedOptions = {
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
  checkOptionNames(options, locksNames);
  const {
    backendTimeoutMs = 10_000,
    attemptTimeoutMs,
    localRun = { count: 64 },
    clock = systemClock,
    ...acquisition
  } = options;
  if (typeof localRun !== 'object' || localRun === null) refuse(`localRun is { count, ms }, not ${shown(localRun)}`);
  checkOptionNames(localRun, ['count', 'ms']);
  const { count, ms = 50 } = localRun;
  if (!Number.isSafeInteger(count) || count < 0 || count > 10_000) {
    refuse(`localRun.count is a whole number from 0 to 10,000, not ${shown(count)}`);
  }
  return {
    defaults: resolveOptions(builtIn, acquisition),
    backendTimeoutMs: checkSpan('backendTimeoutMs', backendTimeoutMs, 'above zero', false),
    attemptTimeoutMs:
      attemptTimeoutMs === undefined ? undefined : checkSpan('attemptTimeoutMs', attemptTimeoutMs, 'above zero', false),
    localRun: { count, ms: checkSpan('localRun.ms', ms, 'above zero', true) },
    clock: checkClock(clock),
  };
}

function checkClock(clock: Clock): Clock {
  for (const method of ['now', 'wallNow', 'setTimeout', 'clearTimeout'] as const) {
    if (typeof clock?.[method] !== 'function')
      refuse(`clock has the functions now, wallNow, setTimeout and clearTimeout: ${method} is missing`);
  }
  return clock;
}

/** When a call about a lease of `ttlMs` counts as unknown. */
export function attemptTimeout(settings: Settings, ttlMs: number): number {
  return settings.attemptTimeoutMs ?? Math.max(1, Math.min(ttlMs / 3, 2_000));
}

/** How long after it was sent a command about a lease of `ttlMs` may still arrive, or its effect may last. */
export function longestArrivalMs(settings: Settings, ttlMs: number): number {
  return ttlMs + settings.backendTimeoutMs;
}

/** Refuses a body that cannot be called before the lock is asked for. */
export function checkBody(call: 'using' | 'usingAll', body: unknown, given: readonly unknown[]): void {
  if (typeof body === 'function' && given.length < 4) return;
  const first = call === 'using' ? 'key' : 'keys';
  const misplaced = given.slice(1, -1).some((argument) => typeof argument === 'function');
  if (misplaced) refuse(`${call} takes the options before the function: ${call}(${first}, options, body)`);
  refuse(
    `${call} takes a function to run under the lock, not ${shown(body)}: ${call}(${first}, body) or ${call}(${first}, options, body)`,
  );
}

/** The same for the body of `lead`, which comes before the options. */
export function checkLeadBody(body: unknown, options: unknown): void {
  if (typeof body === 'function') return;
  if (typeof options === 'function') refuse('lead takes the function before the options: lead(key, body, options)');
  refuse(
    `lead takes a function to run while it leads, not ${shown(body)}: lead(key, body) or lead(key, body, options)`,
  );
}

/** The different keys of a group in the order of their UTF-8 bytes, the same in every process. */
export function sortKeys(keys: unknown): string[] {
  if (!Array.isArray(keys)) refuse(`the keys are an array of strings, not ${shown(keys)}`);
  // Nothing would be locked, and the caller would not notice: a list of keys is empty by mistake.
  if (keys.length === 0) refuse('there is no key: without any, nothing would be locked');
  for (const key of keys) checkKey(key);
  return [...new Set(keys as string[])]
    .map((key) => ({ key, bytes: Buffer.from(key) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ key }) => key);
}
