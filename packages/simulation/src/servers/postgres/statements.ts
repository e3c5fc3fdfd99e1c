import { modify } from './changes.ts';
import { parsedBlock } from './parsed.ts';
import { runBlock } from './procedures.ts';
import { select } from './queries.ts';
import type { Doing, Node, Rows, Scope } from './scope.ts';
import { NotModelled } from './values.ts';

/** What a statement gives: rows, and how many rows it was about. */
export interface Done extends Rows {
  readonly count: number;
}

const nothing: Done = { columns: [], rows: [], count: 0 };

/** Runs one statement that does not control transactions. */
export function* run(statement: Node, text: string, scope: Scope): Doing<Done> {
  const { SelectStmt, DoStmt, VariableSetStmt } = statement;
  const { execution } = scope;
  if (SelectStmt !== undefined) {
    const rows = yield* select(SelectStmt, scope);
    return { ...rows, count: rows.rows.length };
  }
  if (DoStmt !== undefined) {
    yield* runBlock(parsedBlock(text), new Map(), execution);
    return nothing;
  }
  if (VariableSetStmt !== undefined) {
    const { name, args } = VariableSetStmt;
    execution.settings.set(name, String(args[0].A_Const.sval?.sval ?? args[0].A_Const.ival?.ival ?? 0));
    return nothing;
  }
  if (statement.InsertStmt || statement.UpdateStmt || statement.DeleteStmt) return yield* modify(statement, scope);
  if (!execution.catalog.define(statement, text)) throw new NotModelled('the statement', Object.keys(statement));
  return nothing;
}
