import { evaluate, evaluateWaiting } from './expressions.ts';
import { from, joinConditions, tableName } from './from.ts';
import { columnsOf, holds, lockRow, select, targets } from './queries.ts';
import { change, conflictOf, insert, latest, type Row, type Strength, type Table } from './rows.ts';
import { type Bound, type Doing, type Node, type Rows, type Scope, within } from './scope.ts';
import { coerce, NotModelled, SqlError, type Value } from './values.ts';

/** What a change returns, and how many rows it affected. */
export interface Changed extends Rows {
  readonly count: number;
}

/** Runs an INSERT, UPDATE or DELETE. */
export function* modify(statement: Node, scope: Scope): Doing<Changed> {
  const { InsertStmt, UpdateStmt, DeleteStmt } = statement;
  scope.execution.beforeWrite();
  if (InsertStmt !== undefined) return yield* insertRows(InsertStmt, scope);
  if (UpdateStmt !== undefined) return yield* changeRows(UpdateStmt, UpdateStmt.fromClause ?? [], scope, false);
  if (DeleteStmt !== undefined) return yield* changeRows(DeleteStmt, DeleteStmt.usingClause ?? [], scope, true);
  throw new NotModelled('the statement', Object.keys(statement));
}

function tableOf({ relation }: Node, scope: Scope): { table: Table; name: string; columns: string[] } {
  const table = scope.execution.catalog.tables.get(tableName(relation));
  if (table === undefined) throw new SqlError('42P01', `relation "${relation.relname}" does not exist`);
  return { table, name: relation.alias?.aliasname ?? relation.relname, columns: table.columns.map(({ name }) => name) };
}

class Returning {
  readonly #list: Node[] | undefined;
  readonly #rows: Value[][] = [];
  readonly #shape: readonly Bound[];
  #count = 0;
  constructor(list: Node[] | undefined, shape: readonly Bound[]) {
    this.#list = list;
    this.#shape = shape;
  }
  *add(scope: Scope): Doing<void> {
    this.#count += 1;
    if (this.#list !== undefined) this.#rows.push(yield* targets(this.#list, scope));
  }
  get changed(): Changed {
    const columns = this.#list === undefined ? [] : columnsOf(this.#list, this.#shape);
    return { columns, rows: this.#rows, count: this.#count };
  }
}

const returned = ({ returningClause }: Node, shape: readonly Bound[]): Returning =>
  new Returning(returningClause?.exprs, shape);

function* insertRows(statement: Node, scope: Scope): Doing<Changed> {
  const { table, name, columns } = tableOf(statement, scope);
  const { transaction } = scope.execution;
  const given: string[] = statement.cols?.map(({ ResTarget }: Node) => ResTarget.name) ?? columns;
  const result = returned(statement, [{ name, columns, values: [] }]);
  const bind = (values: readonly Value[], row?: Row): Bound => ({ name, columns, values, ...(row && { row }) });
  for (const source of (yield* select(statement.selectStmt.SelectStmt, scope)).rows) {
    const values = table.columns.map(({ name: column, type, otherwise }) => {
      const value = source[given.indexOf(column)];
      return coerce(
        value !== undefined || otherwise === undefined ? (value ?? null) : evaluate(otherwise, scope),
        type,
      );
    });
    for (;;) {
      // What it has made by now may be old by the time that it is written.
      yield { pause: 'write' };
      const conflict = conflictOf(table, values, transaction);
      if (conflict === undefined) {
        const row = insert(table, values, transaction, scope.snapshot.command);
        yield* result.add(within(scope, [bind(values, row)]));
        break;
      }
      if ('until' in conflict) {
        yield conflict;
        continue;
      }
      const { action, targetList, whereClause } = statement.onConflictClause ?? {};
      if (action === undefined)
        throw new SqlError('23505', `duplicate key value violates unique constraint "${table.name}_pkey"`);
      if (action === 'ONCONFLICT_NOTHING') break;
      const version = yield* lockRow(conflict.row, strengthOf(table, targetList), scope);
      if (version === undefined) continue;
      const beside = within(scope, [bind(version.values, conflict.row), { ...bind(values), name: 'excluded' }]);
      if (!(yield* holds(whereClause, beside))) break;
      const made = yield* assign(table, targetList, version.values, beside);
      // ON CONFLICT locks the row before it looks at it, so the change comes after a lock.
      change(conflict.row, made, transaction, scope.snapshot.command, true);
      yield* result.add(within(scope, [bind(made, conflict.row)]));
      break;
    }
  }
  return result.changed;
}

/** A change of a key is as strong as a deletion. */
function strengthOf(table: Table, targetList: Node[] | undefined): Strength {
  const changed = (targetList ?? []).map(({ ResTarget }) => table.columnOf.get(ResTarget.name));
  return targetList === undefined || table.keys.some((key) => key.some((column) => changed.includes(column))) ? 3 : 2;
}

function* assign(table: Table, targetList: Node[], before: readonly Value[], scope: Scope): Doing<Value[]> {
  const values = [...before];
  for (const { ResTarget } of targetList) {
    const at = table.columnOf.get(ResTarget.name);
    if (at === undefined) throw new SqlError('42703', `column "${ResTarget.name}" does not exist`);
    values[at] = coerce(yield* evaluateWaiting(ResTarget.val, scope), table.columns[at]!.type);
  }
  return values;
}

function* changeRows(statement: Node, others: Node[], scope: Scope, deletes: boolean): Doing<Changed> {
  const { name, table } = tableOf(statement, scope);
  const { transaction } = scope.execution;
  const { whereClause } = statement;
  const strength = deletes ? 3 : strengthOf(table, statement.targetList);
  const { combinations, shape } = yield* from([{ RangeVar: statement.relation }, ...others], scope);
  const result = returned(statement, shape);
  const done = new Set<Row>();
  const conditions = [...joinConditions(others), ...(whereClause === undefined ? [] : [whereClause])];
  for (const bound of combinations) {
    const { row, values } = bound[0]!;
    if (row === undefined) throw new NotModelled('a change of', name);
    let candidate = within(scope, bound);
    if (done.has(row) || !(yield* holds(whereClause, candidate))) continue;
    const wasLocked = latest(row, transaction)?.touchedBy === transaction.id;
    // Another row of the same statement may have been changed by what it calls; this one then is what it has become.
    const version = yield* lockRow(row, strength, scope);
    if (version === undefined) continue;
    if (version.values !== values) {
      candidate = within(scope, bound.with(0, { ...bound[0]!, values: version.values }));
      let stillHolds = true;
      for (const condition of conditions) stillHolds &&= yield* holds(condition, candidate);
      if (!stillHolds) continue;
    }
    done.add(row);
    const made = deletes ? undefined : yield* assign(table, statement.targetList, version.values, candidate);
    if (latest(row, transaction) !== version) throw new NotModelled('a row that is changed by its own change', name);
    change(row, made, transaction, scope.snapshot.command, wasLocked);
    const after = made ?? version.values;
    yield* result.add(within(scope, bound.with(0, { ...bound[0]!, values: after })));
  }
  return result.changed;
}
