import { evaluate } from './expressions.ts';
import type { Execution, Node, Scope } from './scope.ts';
import { coerce, compare, NotModelled, operate, SqlError, toText, type Value } from './values.ts';

/** Functions over the rows of a query. */
export const aggregates: ReadonlySet<string> = new Set([
  ...['count', 'sum', 'min', 'max', 'string_agg', 'array_agg', 'bool_or', 'bool_and'],
]);

const found = new WeakMap<object, boolean>();

/** Whether an expression has an aggregate of its own query in it. */
export function hasAggregate(node: Node): boolean {
  if (typeof node !== 'object' || node === null || node.SubLink !== undefined) return false;
  const known = found.get(node);
  if (known !== undefined) return known;
  const isOne = node.FuncCall !== undefined && aggregates.has(node.FuncCall.funcname.at(-1).String.sval);
  const has = isOne || Object.values(node).some(hasAggregate);
  found.set(node, has);
  return has;
}

export function aggregate(
  name: string,
  { args = [], agg_order = [], agg_filter }: Node,
  group: readonly Scope[],
): Value {
  const kept = agg_filter === undefined ? group : group.filter((scope) => evaluate(agg_filter, scope) === true);
  const rows = sorted(agg_order, kept);
  if (args.length === 0) return BigInt(rows.length);
  const values = rows.map((scope) => evaluate(args[0], scope));
  const present = values.filter((value) => value !== null);
  if (name === 'count') return BigInt(present.length);
  if (name === 'array_agg') return values.length === 0 ? null : values;
  if (present.length === 0) return null;
  const order = name === 'max' ? 1 : -1;
  switch (name) {
    case 'sum':
      return present.reduce<Value>((sum, value) => operate('+', sum, value), 0n);
    case 'min':
    case 'max':
      return present.reduce((best, value) => (compare(value, best) * order > 0 ? value : best));
    case 'string_agg':
      return present.map(toText).join(evaluate(args[1], rows[0]!) as string);
    default:
      return name === 'bool_or' ? present.includes(true) : !present.includes(false);
  }
}

/** Rows in the order of ORDER BY. */
export function sorted(order: readonly Node[], scopes: readonly Scope[]): readonly Scope[] {
  if (order.length === 0) return scopes;
  const keyed = scopes.map((scope) => ({ scope, by: order.map(({ SortBy }) => evaluate(SortBy.node, scope)) }));
  const signs = order.map(({ SortBy }) => (SortBy.sortby_dir === 'SORTBY_DESC' ? -1 : 1));
  keyed.sort((a, b) => {
    for (const [i, sign] of signs.entries()) {
      const [x, y] = [a.by[i]!, b.by[i]!];
      // Nulls are last, or first where the order is turned round.
      const difference = x === null || y === null ? Number(x === null) - Number(y === null) : compare(x, y);
      if (difference !== 0) return difference * sign;
    }
    return 0;
  });
  return keyed.map(({ scope }) => scope);
}

type BuiltIn = (args: readonly Value[], execution: Execution) => Value;

const sequenceOf = (name: Value, { catalog }: Execution) => {
  const sequence = catalog.sequences.get(name as string);
  if (sequence === undefined) throw new SqlError('42P01', `relation "${name}" does not exist`);
  return sequence;
};

const decode: BuiltIn = ([digits, format]) => {
  if (digits === null) return null;
  const text = (digits as string).toLowerCase();
  if (format !== 'hex') throw new NotModelled('the encoding', format);
  if (!/^([0-9a-f]{2})*$/.test(text)) throw new SqlError('22023', 'invalid hexadecimal data');
  return text;
};

const builtIns: Readonly<Record<string, BuiltIn>> = {
  decode,
  encode: ([bytes]) => bytes!,
  clock_timestamp: (_, { clock }) => clock(),
  now: (_, { transaction }) => transaction.beganAt,
  extract: ([field, value]) => {
    if (field !== 'epoch') throw new NotModelled('to extract', field);
    return value === null ? null : (value as number) / 1_000_000;
  },
  statement_timestamp: (_, { statementAt }) => statementAt,
  pg_sequence_last_value: ([name], execution) => {
    const { lastValue, isCalled } = sequenceOf(name!, execution);
    return isCalled ? lastValue : null;
  },
  current_setting: ([name], { settings }) => settings.get(name as string) ?? '',
  set_config: ([name, value, isLocal], { settings, transaction }) => {
    const before = settings.get(name as string) ?? '';
    (isLocal === true ? transaction.restores : transaction.undo).push(() => settings.set(name as string, before));
    settings.set(name as string, value as string);
    return value!;
  },
  nextval: ([name], execution) => sequenceOf(name!, execution).next(),
  setval: ([name, value], execution) => {
    const sequence = sequenceOf(name!, execution);
    sequence.set(coerce(value!, 'bigint') as bigint);
    return value!;
  },
  pg_notify: ([channel, payload], { transaction }) => {
    const isKnown = transaction.notices.some((one) => one.channel === channel && one.payload === payload);
    if (!isKnown) transaction.notices.push({ channel: channel as string, payload: payload as string });
    // A void, which is shown as an empty text.
    return '';
  },
  pg_notification_queue_usage: () => 0,
  pg_current_wal_lsn: () => '0/0',
  pg_walfile_name: (_, { timeline }) => timeline().toString(16).toUpperCase().padStart(8, '0').padEnd(24, '0'),
  pg_is_in_recovery: () => false,
  pg_backend_pid: (_, { pid }) => pid,
  pg_current_xact_id: (_, { transaction }) => {
    transaction.isNumbered = true;
    return BigInt(transaction.id);
  },
  pg_current_xact_id_if_assigned: (_, { transaction }) => (transaction.isNumbered ? BigInt(transaction.id) : null),
  left: ([text, count]) => (text === null ? null : (text as string).slice(0, count as number)),
  concat_ws: ([separator, ...words]) =>
    words
      .filter((word) => word !== null)
      .map(toText)
      .join(separator as string),
  hashtext: ([text]) => (text as string).length,
  // The model makes schemas and tables at once, so nobody can come between.
  pg_advisory_xact_lock: () => null,
  to_regnamespace: ([name], { catalog }) => (catalog.schemas.has(name as string) ? name! : null),
  to_regprocedure: ([name], { catalog }) =>
    catalog.functions.has((name as string).replace(/\(.*$/, '')) ? name! : null,
  to_regclass: ([name], { catalog }) => (catalog.tables.has(name as string) ? name! : null),
};

export function callBuiltIn(name: string, args: readonly Value[], execution: Execution): Value {
  const builtIn = Object.hasOwn(builtIns, name) ? builtIns[name] : undefined;
  if (builtIn !== undefined) return builtIn(args, execution);
  if (!name.includes('.')) throw new NotModelled('the function', name);
  const [schema] = name.split('.');
  if (!execution.catalog.schemas.has(schema!)) throw new SqlError('3F000', `schema "${schema}" does not exist`);
  throw new SqlError('42883', `function ${name} does not exist`);
}
