import { invalid, knownNames } from './invalid.ts';

/** How an option is written in a URL. In objects, a duration's name ends in `Ms` and its value is a number. */
export type OptionKind = 'duration' | 'count' | 'boolean' | 'text' | 'localRun';
/** Option names as a URL has them. */
export type OptionTable = Readonly<Record<string, OptionKind>>;

/** The defaults for every lock, which any URL may set. */
export const locksOptionTable: OptionTable = {
  ttl: 'duration',
  wait: 'duration',
  autoRenew: 'boolean',
  maxHold: 'duration',
  grace: 'duration',
  backendTimeout: 'duration',
  attemptTimeout: 'duration',
  localRun: 'localRun',
  name: 'text',
};

/** The name that an option has in an object: durations end in `Ms`. */
export function objectName(name: string, kind: OptionKind): string {
  return kind === 'duration' ? `${name}Ms` : name;
}

/** Query parameters to options, by the table; an unknown name or a value of the wrong form is LOCK_INVALID_ARGUMENT. */
export function readParams(
  params: ReadonlyMap<string, string>,
  table: OptionTable,
  scheme: string,
): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const [name, value] of params) {
    const kind = Object.hasOwn(table, name) ? table[name] : undefined;
    if (kind === undefined) {
      // Shown only when it looks like an option with a value: it may be what follows a question mark in a password.
      const shown = value !== '' && /^[a-z][a-z0-9]{0,30}$/i.test(name) ? ` "${name}"` : '';
      const known = knownNames(name.replace(/Ms$/, ''), Object.keys(table));
      throw invalid(`The ${scheme}: URL has an unknown option${shown}. ${known}`);
    }
    options[objectName(name, kind)] = readValue(value, kind, `The option "${name}" of the ${scheme}: URL`);
  }
  return options;
}

/** Refuses option names that are in none of the tables, with the nearest known one. */
export function checkNames(options: object, known: readonly string[], what: string): void {
  // A Map, a URL or a promise has no own names that could be unknown, so it would count as an empty object.
  const type = Object.prototype.toString.call(options).slice('[object '.length, -1);
  if (type !== 'Object' && type !== 'Module') throw invalid(`The options of ${what} are an object, not a ${type}.`);
  for (const name in options) {
    if (!known.includes(name)) throw invalid(`${what} has no option "${name}". ${knownNames(name, known)}`);
  }
}

/** The names that the options of a table have in an object. */
export function objectNames(table: OptionTable): string[] {
  return Object.entries(table).map(([name, kind]) => objectName(name, kind));
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function readValue(value: string, kind: OptionKind, what: string): unknown {
  if (kind === 'text') return value;
  if (kind === 'boolean') {
    if (value === 'true' || value === 'false') return value === 'true';
    throw invalid(`${what} is true or false.`);
  }
  if (kind === 'duration') return readDuration(value, what);
  if (!/^\d{1,9}$/.test(value)) throw invalid(`${what} is a whole number, such as 2.`);
  return kind === 'localRun' ? { count: Number(value) } : Number(value);
}

/** A duration such as `10s` in ms; `what` begins the error. @throws LockError LOCK_INVALID_ARGUMENT */
export function readDuration(value: string, what: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([a-z]*)$/i.exec(value) ?? [];
  const ms = Number(number) * (unitMs[unit ?? ''] ?? Number.NaN);
  // 0.3 s is 300 ms, whatever binary fractions make of it.
  const whole = Math.round(ms);
  if (Number.isSafeInteger(whole) && Math.abs(whole - ms) < 1e-6) return whole;
  const problem = number !== undefined && unit === '' ? 'needs a unit' : 'is not a duration';
  throw invalid(`${what} ${problem}: write a number with one of ms, s, m, h, d, such as 500ms or 10s.`);
}
