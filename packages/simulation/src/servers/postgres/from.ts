import { evaluate } from './expressions.ts';
import { callFunction } from './functions.ts';
import { select } from './queries.ts';
import { versionFor } from './rows.ts';
import { type Bound, type Doing, type Node, type Rows, type Scope, within } from './scope.ts';
import { NotModelled, SqlError, type Value } from './values.ts';

/** The rows of each table of a FROM clause that stand beside each other, before WHERE. */
export interface From {
  readonly combinations: readonly (readonly Bound[])[];
  /** The same without values, for outer joins that find nothing. */
  readonly shape: readonly Bound[];
}

/** What a FROM clause offers. */
export function* from(items: Node[], scope: Scope): Doing<From> {
  let all: From = { combinations: [[]], shape: [] };
  for (const item of items) {
    const next = yield* one(item, scope);
    all = {
      combinations: all.combinations.flatMap((left) => next.combinations.map((right) => [...left, ...right])),
      shape: [...all.shape, ...next.shape],
    };
  }
  return all;
}

/** What rows have to fulfil that were joined, when one of them has changed. */
export const joinConditions = (items: Node[]): Node[] =>
  items.flatMap(({ JoinExpr }) =>
    JoinExpr === undefined
      ? []
      : [...(JoinExpr.quals ? [JoinExpr.quals] : []), ...joinConditions([JoinExpr.larg, JoinExpr.rarg])],
  );

function* one(item: Node, scope: Scope): Doing<From> {
  if (item.RangeVar !== undefined) return relation(item.RangeVar, scope);
  if (item.JoinExpr !== undefined) return yield* joined(item.JoinExpr, scope);
  if (item.RangeSubselect !== undefined) {
    const { subquery, alias } = item.RangeSubselect;
    return bind(yield* select(subquery.SelectStmt, within(scope, [])), alias.aliasname, alias.colnames);
  }
  if (item.RangeFunction !== undefined) return yield* ofFunction(item.RangeFunction, scope);
  throw new NotModelled('in FROM', item);
}

function bind({ columns, rows }: Rows, name: string, renamed: Node[] = []): From {
  const names = columns.map((column, i) => renamed[i]?.String.sval ?? column);
  return {
    combinations: rows.map((values) => [{ name, columns: names, values }]),
    shape: [{ name, columns: names, values: names.map(() => null) }],
  };
}

/** The full name of a table in a syntax tree. */
export const tableName = ({ schemaname = 'public', relname }: Node): string => `${schemaname}.${relname}`;

function relation(range: Node, { execution: { catalog }, named, snapshot }: Scope): From {
  const name = range.alias?.aliasname ?? range.relname;
  const rows = range.schemaname === undefined ? named.get(range.relname) : undefined;
  if (rows !== undefined) return bind(rows, name);
  const sequence = catalog.sequences.get(tableName(range));
  if (sequence !== undefined) {
    const { lastValue, isCalled } = sequence;
    return bind({ columns: ['last_value', 'is_called'], rows: [[lastValue, isCalled]] }, name);
  }
  const table = catalog.tables.get(tableName(range));
  if (table === undefined) throw new SqlError('42P01', `relation "${range.relname}" does not exist`);
  const columns = table.columns.map((column) => column.name);
  const combinations = [...table.rows].flatMap((row) => {
    const version = versionFor(row, snapshot);
    return version === undefined ? [] : [[{ name, columns, values: version.values, row }]];
  });
  return { combinations, shape: [{ name, columns, values: columns.map(() => null) }] };
}

function* joined({ jointype, larg, rarg, quals, usingClause }: Node, scope: Scope): Doing<From> {
  const [left, right] = [yield* one(larg, scope), yield* one(rarg, scope)];
  if (jointype !== 'JOIN_INNER' && jointype !== 'JOIN_LEFT') throw new NotModelled('the join', jointype);
  const using: string[] = (usingClause ?? []).map((name: Node) => name.String.sval);
  const fits = (a: readonly Bound[], b: readonly Bound[]): boolean => {
    const same = using.every((column) => {
      const [x, y] = [valueIn(a, column), valueIn(b, column)];
      return x !== null && x === y;
    });
    return same && (quals === undefined || evaluate(quals, within(scope, [...a, ...b])) === true);
  };
  const combinations = left.combinations.flatMap((a) => {
    const found = right.combinations.filter((b) => fits(a, b)).map((b) => [...a, ...b]);
    return found.length > 0 || jointype === 'JOIN_INNER' ? found : [[...a, ...right.shape]];
  });
  return { combinations, shape: [...left.shape, ...right.shape] };
}

function valueIn(bound: readonly Bound[], column: string): Value {
  for (const { columns, values } of bound) {
    const at = columns.indexOf(column);
    if (at >= 0) return values[at]!;
  }
  throw new NotModelled('the column of USING', column);
}

function* ofFunction({ functions, ordinality, alias }: Node, scope: Scope): Doing<From> {
  const { funcname, args = [] } = functions[0].List.items[0].FuncCall;
  const name: string = funcname.map((part: Node) => part.String.sval).join('.');
  const values: Value[] = args.map((arg: Node) => evaluate(arg, scope));
  const bound = alias?.aliasname ?? name;
  if (name === 'unnest') {
    const lists = values as (readonly Value[] | null)[];
    const length = Math.max(...lists.map((list) => list?.length ?? 0));
    const rows = Array.from({ length }, (_, i) => [
      ...lists.map((list) => list?.[i] ?? null),
      ...(ordinality ? [BigInt(i + 1)] : []),
    ]);
    return bind({ columns: [...lists, ...(ordinality ? [0] : [])].map(() => 'unnest'), rows }, bound, alias?.colnames);
  }
  const known = scope.execution.catalog.functions.get(name);
  if (known === undefined || ordinality) throw new NotModelled('the function in FROM', name);
  return bind((yield* callFunction(known, values, scope.execution)).rows, bound, alias?.colnames);
}
