import { hasAggregate, sorted } from './built-in.ts';
import { modify } from './changes.ts';
import { evaluate, evaluateWaiting } from './expressions.ts';
import { from, joinConditions } from './from.ts';
import { latest, lock, type Row, rivalFor, type Strength, type Version } from './rows.ts';
import { type Bound, type Doing, type Node, type Rows, type Scope, within } from './scope.ts';
import { NotModelled, SqlError, type Value } from './values.ts';

const known = new Set([
  ...['targetList', 'fromClause', 'whereClause', 'sortClause', 'limitCount', 'limitOption', 'lockingClause', 'op'],
  ...['withClause', 'valuesLists', 'larg', 'rarg', 'all'],
]);

/** The rows of a SELECT. */
export function* select(statement: Node, around: Scope): Doing<Rows> {
  for (const part of Object.keys(statement)) if (!known.has(part)) throw new NotModelled('in a SELECT', part);
  const scope = yield* withNamed(statement.withClause, around);
  if (statement.valuesLists !== undefined) return yield* listed(statement.valuesLists, scope);
  if (statement.op === 'SETOP_UNION' && statement.all) {
    const [left, right] = [yield* select(statement.larg, scope), yield* select(statement.rarg, scope)];
    return { columns: left.columns, rows: [...left.rows, ...right.rows] };
  }
  if (statement.op !== 'SETOP_NONE') throw new NotModelled('the operation', statement.op);
  const { fromClause = [], whereClause, targetList = [], sortClause = [], lockingClause, limitCount } = statement;
  const conditions = [...joinConditions(fromClause), ...(whereClause === undefined ? [] : [whereClause])];
  const found: Scope[] = [];
  const { combinations, shape } = yield* from(fromClause, scope);
  for (const bound of combinations) {
    const candidate = within(scope, bound);
    if (yield* holds(whereClause, candidate)) found.push(candidate);
  }
  if (hasAggregate(targetList)) {
    const row: Value[] = [];
    for (const { ResTarget } of targetList) row.push(evaluate(ResTarget.val, { ...within(scope, []), group: found }));
    return { columns: columnsOf(targetList, []), rows: [row] };
  }
  const limit = limitCount === undefined ? Number.POSITIVE_INFINITY : Number(evaluate(limitCount, scope));
  const rows: (readonly Value[])[] = [];
  for (const candidate of sorted(sortClause, found)) {
    if (rows.length >= limit) break;
    const kept = lockingClause === undefined ? candidate : yield* lockRows(lockingClause, candidate, conditions);
    if (kept !== undefined) rows.push(yield* targets(targetList, kept));
  }
  return { columns: columnsOf(targetList, shape), rows };
}

function* withNamed(clause: Node, scope: Scope): Doing<Scope> {
  if (clause === undefined) return scope;
  if (clause.recursive) throw new NotModelled('WITH RECURSIVE');
  const named = new Map(scope.named);
  const wider = { ...scope, named };
  for (const { CommonTableExpr } of clause.ctes) {
    const { ctename, ctequery } = CommonTableExpr;
    const rows = ctequery.SelectStmt ? yield* select(ctequery.SelectStmt, wider) : yield* modify(ctequery, wider);
    named.set(ctename, rows);
  }
  return wider;
}

function* listed(lists: Node[], scope: Scope): Doing<Rows> {
  const rows: Value[][] = [];
  for (const { List } of lists) {
    const row: Value[] = [];
    for (const item of List.items) row.push(yield* evaluateWaiting(item, scope));
    rows.push(row);
  }
  return { columns: (rows[0] ?? []).map((_, i) => `column${i + 1}`), rows };
}

export function* holds(condition: Node, scope: Scope): Doing<boolean> {
  return condition === undefined || (yield* evaluateWaiting(condition, scope)) === true;
}

/** The row that a list of targets makes. */
export function* targets(list: Node[], scope: Scope): Doing<Value[]> {
  const row: Value[] = [];
  for (const { ResTarget } of list) {
    const stars = starred(ResTarget, scope.bound);
    if (stars !== undefined) row.push(...stars.flatMap(({ values }) => values));
    else row.push(yield* evaluateWaiting(ResTarget.val, scope));
  }
  return row;
}

function starred({ val }: Node, bound: readonly Bound[]): readonly Bound[] | undefined {
  const fields = val.ColumnRef?.fields;
  if (fields?.at(-1).A_Star === undefined) return undefined;
  return fields.length === 1 ? bound : bound.filter(({ name }) => name === fields[0].String.sval);
}

export function columnsOf(list: Node[], bound: readonly Bound[]): string[] {
  return list.flatMap(({ ResTarget }) => {
    const stars = starred(ResTarget, bound);
    if (stars !== undefined) return stars.flatMap(({ columns }) => columns);
    const { ColumnRef, FuncCall } = ResTarget.val;
    return (
      ResTarget.name ?? ColumnRef?.fields.at(-1).String.sval ?? FuncCall?.funcname.at(-1).String.sval ?? '?column?'
    );
  });
}

const strengths: Readonly<Record<string, Strength>> = {
  LCS_FORKEYSHARE: 0,
  LCS_FORSHARE: 1,
  LCS_FORNOKEYUPDATE: 2,
  LCS_FORUPDATE: 3,
};

/** Locks the rows of one result, if they are still what was looked for by then. */
function* lockRows(clauses: Node[], candidate: Scope, conditions: Node[]): Doing<Scope | undefined> {
  let { bound } = candidate;
  let isChanged = false;
  for (const { LockingClause } of clauses) {
    const { strength, waitPolicy, lockedRels } = LockingClause;
    const only: string[] | undefined = lockedRels?.map(({ RangeVar }: Node) => RangeVar.relname);
    for (const [i, one] of bound.entries()) {
      if (one.row === undefined || (only !== undefined && !only.includes(one.name))) continue;
      const version = yield* lockRow(one.row, strengths[strength]!, candidate, waitPolicy);
      if (version === undefined) return undefined;
      if (version.values === one.values) continue;
      bound = bound.with(i, { ...one, values: version.values });
      isChanged = true;
    }
  }
  const scope = { ...candidate, bound };
  if (isChanged) for (const condition of conditions) if (!(yield* holds(condition, scope))) return undefined;
  return scope;
}

/**
 * Locks a row, after those who stand in the way have ended, and gives its latest version: undefined where it is gone by then, or is to be
 * skipped.
 */
export function* lockRow(
  row: Row,
  strength: Strength,
  { execution: { transaction } }: Scope,
  policy = 'LockWaitBlock',
): Doing<Version | undefined> {
  for (;;) {
    const rival = rivalFor(row, transaction, strength);
    if (rival === undefined) break;
    if (policy === 'LockWaitSkip') return undefined;
    if (policy === 'LockWaitError')
      throw new SqlError('55P03', `could not obtain lock on row in relation "${row.table.name}"`);
    yield { until: rival };
    yield { pause: 'write' };
  }
  const version = latest(row, transaction);
  if (version !== undefined) lock(row, transaction, strength);
  return version;
}
