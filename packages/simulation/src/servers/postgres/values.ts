/**
 * Values of SQL as JavaScript has them: bigint and numeric of whole numbers are bigints, other numbers are numbers, bytea is its hexadecimal
 * digits (which compare as the bytes do), a time and an interval are microseconds, an array is an array, a row is an object.
 */
export type Value = string | number | bigint | boolean | null | readonly Value[] | { readonly [column: string]: Value };

/** What the server answers when it cannot do something. */
export class SqlError extends Error {
  readonly code: string;
  readonly severity: 'ERROR' | 'FATAL';
  constructor(code: string, message: string, severity: 'ERROR' | 'FATAL' = 'ERROR') {
    super(message);
    this.code = code;
    this.severity = severity;
  }
}

/** What the model does not know is an error of the model, and must never look like one of the server. */
export class NotModelled extends Error {
  constructor(what: string, detail?: unknown) {
    super(`The model of PostgreSQL does not know ${what}${detail === undefined ? '' : `: ${JSON.stringify(detail)}`}.`);
  }
}

const units: Readonly<Record<string, number>> = { microsecond: 1, millisecond: 1_000, second: 1_000_000 };

function interval(text: string): number {
  const [count, unit = ''] = text.split(' ');
  const us = units[unit.replace(/s$/, '')];
  if (us === undefined) throw new NotModelled('the interval', text);
  return Number(count) * us;
}

function array(text: string): string[] {
  if (!/^\{[^{}"\\]*\}$/.test(text)) throw new NotModelled('the array', text);
  return text === '{}' ? [] : text.slice(1, -1).split(',');
}

const integers = new Set(['bigint', 'int8', 'numeric']);
const numbers = new Set(['integer', 'int4', 'float8', 'double precision', 'float4']);
const texts = new Set(['text', 'name', 'bytea', 'regclass', 'unknown', 'xid']);

/** Makes a value one of a type, as an assignment or a cast does. */
export function coerce(value: Value, type: string): Value {
  if (value === null) return null;
  if (type.endsWith('[]'))
    return (typeof value === 'string' ? array(value) : (value as Value[])).map((each) =>
      coerce(each, type.slice(0, -2)),
    );
  if (integers.has(type)) return whole(value, type);
  if (numbers.has(type)) return number(value, type);
  if (texts.has(type)) return typeof value === 'string' ? value : toText(value);
  if (type === 'boolean' || type === 'bool') return typeof value === 'string' ? value.startsWith('t') : value;
  if (type === 'timestamptz') return value === 'epoch' ? 0 : value;
  if (type === 'interval') return typeof value === 'string' ? interval(value) : value;
  if (type === 'record' || type === 'void' || type.includes('.')) return value;
  throw new NotModelled('the type', type);
}

function whole(value: Value, type: string): bigint {
  if (typeof value === 'bigint') return value;
  const text = String(value);
  if (!/^-?\d+(\.\d+)?$/.test(text)) throw new SqlError('22P02', `invalid input syntax for type ${type}: "${text}"`);
  return typeof value === 'number' ? BigInt(Math.round(value)) : BigInt(text);
}

function number(value: Value, type: string): number {
  const made = Number(value);
  if (!Number.isFinite(made)) throw new SqlError('22P02', `invalid input syntax for type ${type}: "${String(value)}"`);
  if (type.startsWith('int') && Math.abs(made) > 2 ** 31 - 1) throw new SqlError('22003', 'integer out of range');
  return type.startsWith('int') ? Math.round(made) : made;
}

/** A value as the server sends it. */
export function toText(value: Value): string {
  if (value === null) throw new NotModelled('null as text');
  if (typeof value === 'boolean') return value ? 't' : 'f';
  if (typeof value === 'object') throw new NotModelled('rows as text');
  return String(value);
}

type Numeric = number | bigint;

/** Two numbers of one kind. */
function alike(a: Value, b: Value): [Numeric, Numeric] {
  const [x, y] = [a as Numeric, b as Numeric];
  if (typeof x === typeof y) return [x, y];
  if (typeof x === 'bigint') return Number.isInteger(y) ? [x, BigInt(y)] : [Number(x), y];
  return Number.isInteger(x) ? [BigInt(x), y] : [x, Number(y)];
}

/** Negative, 0 or positive; a number that is not whole compares with one that is. */
export function compare(a: Value, b: Value): number {
  const [x, y] = [a as string, b as string];
  return x < y ? -1 : x > y ? 1 : 0;
}

const arithmetic: Readonly<Record<string, (a: Numeric, b: Numeric) => Numeric>> = {
  '+': (a, b) => (a as number) + (b as number),
  '-': (a, b) => (a as number) - (b as number),
  '*': (a, b) => (a as number) * (b as number),
};

const comparisons: Readonly<Record<string, (order: number) => boolean>> = {
  '=': (order) => order === 0,
  '<>': (order) => order !== 0,
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
};

/** What an operator makes of two values; of null it makes null. */
export function operate(operator: string, a: Value, b: Value): Value {
  if (a === null || b === null) return null;
  const test = comparisons[operator];
  if (test !== undefined) return test(compare(a, b));
  if (operator === '||') return coerce(a, 'text') + (coerce(b, 'text') as string);
  const calculate = arithmetic[operator];
  if (calculate === undefined) throw new NotModelled('the operator', operator);
  return calculate(...alike(a, b));
}
