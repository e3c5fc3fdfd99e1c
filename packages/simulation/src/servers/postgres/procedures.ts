import { evaluateWaiting } from './expressions.ts';
import { parsed } from './parsed.ts';
import { type Doing, type Execution, type Node, type Rows, scopeOf, type Variables } from './scope.ts';
import { type Done, run } from './statements.ts';
import { coerce, NotModelled, SqlError, type Value } from './values.ts';

/** How a list of statements ended before its end. */
type Left = { readonly left: 'loop' } | { readonly left: 'function'; readonly value: Value | undefined } | undefined;

interface Call {
  readonly variables: Variables;
  readonly execution: Execution;
  /** What the numbers of variables mean. */
  readonly data: readonly Node[];
}

/** Runs the block of a function or DO in PL/pgSQL; gives what it returns. */
export function* runBlock(block: Node, variables: Variables, execution: Execution): Doing<Value | undefined> {
  const call: Call = { variables, execution, data: block.datums };
  for (const { PLpgSQL_var, PLpgSQL_rec } of block.datums) {
    const declared = PLpgSQL_var ?? PLpgSQL_rec;
    if (declared === undefined || variables.has(declared.refname)) continue;
    const type: string = declared.datatype.PLpgSQL_type.typname;
    const initial = declared.default_val?.PLpgSQL_expr.ast;
    const value: Value = initial === undefined ? emptyOf(type, execution) : yield* evaluated(initial, call);
    variables.set(declared.refname, { type, value: coerce(value, typeName(type)) });
  }
  const left = yield* runAll(block.action.PLpgSQL_stmt_block.body, call);
  return left?.left === 'function' ? left.value : undefined;
}

/** pg_catalog is not said, and arrays are made alike. */
const typeName = (type: string): string => type.replace(/^pg_catalog\./, '').replaceAll('"', '');

/** A row of a table has all its columns, without values. */
function emptyOf(type: string, { catalog }: Execution): Value {
  const table = catalog.tables.get(typeName(type));
  return table === undefined ? null : Object.fromEntries(table.columns.map(({ name }) => [name, null]));
}

const evaluated = (ast: Node, { execution, variables }: Call): Doing<Value> =>
  evaluateWaiting(ast, scopeOf(execution, variables));

function setFound({ variables }: Call, value: boolean): void {
  variables.get('found')!.value = value;
}

function* runAll(statements: readonly Node[] = [], call: Call): Doing<Left> {
  for (const statement of statements) {
    const [kind] = Object.keys(statement);
    const left = yield* runOne(kind!, statement[kind!], call);
    if (left !== undefined) return left;
  }
  return undefined;
}

function* runOne(kind: string, it: Node, call: Call): Doing<Left> {
  switch (kind) {
    case 'PLpgSQL_stmt_block':
      return yield* runAll(it.body, call);
    case 'PLpgSQL_stmt_assign':
      assign(call, it.varno, yield* evaluated(it.expr.PLpgSQL_expr.ast, call));
      return;
    case 'PLpgSQL_stmt_if':
      return yield* branch(it, call);
    case 'PLpgSQL_stmt_loop':
      for (;;) {
        const left = yield* runAll(it.body, call);
        if (left !== undefined) return left.left === 'loop' ? undefined : left;
      }
    case 'PLpgSQL_stmt_exit':
      if (!it.is_exit) throw new NotModelled('CONTINUE');
      if (it.cond === undefined || (yield* evaluated(it.cond.PLpgSQL_expr.ast, call)) === true) return { left: 'loop' };
      return;
    case 'PLpgSQL_stmt_return':
      if (it.expr === undefined) return { left: 'function', value: variableAt(call, it.retvarno) };
      return { left: 'function', value: yield* evaluated(it.expr.PLpgSQL_expr.ast, call) };
    case 'PLpgSQL_stmt_raise':
      return yield* raise(it, call);
    case 'PLpgSQL_stmt_fors':
      return yield* forEach(it, call);
    case 'PLpgSQL_stmt_perform':
    case 'PLpgSQL_stmt_execsql':
    case 'PLpgSQL_stmt_dynexecute':
      return yield* execute(kind, it, call);
    default:
      throw new NotModelled('the statement', kind);
  }
}

function* branch({ cond, then_body, elsif_list = [], else_body }: Node, call: Call): Doing<Left> {
  if ((yield* evaluated(cond.PLpgSQL_expr.ast, call)) === true) return yield* runAll(then_body, call);
  for (const { PLpgSQL_if_elsif } of elsif_list) {
    if ((yield* evaluated(PLpgSQL_if_elsif.cond.PLpgSQL_expr.ast, call)) === true)
      return yield* runAll(PLpgSQL_if_elsif.stmts, call);
  }
  return yield* runAll(else_body, call);
}

function* raise({ message, params = [], options = [], condname }: Node, call: Call): Doing<never> {
  let text: string = message ?? condname ?? '';
  for (const { PLpgSQL_expr } of params) {
    const value = yield* evaluated(PLpgSQL_expr.ast, call);
    text = text.replace('%', () => String(value ?? '<NULL>'));
  }
  const code = options[0]?.PLpgSQL_raise_option.expr.PLpgSQL_expr.ast;
  throw new SqlError(code === undefined ? 'P0001' : ((yield* evaluated(code, call)) as string), text);
}

function* execute(kind: string, it: Node, call: Call): Doing<undefined> {
  const { execution, variables } = call;
  yield { pause: 'step' };
  let ast: Node;
  if (kind === 'PLpgSQL_stmt_dynexecute') {
    ast = parsed((yield* evaluated(it.query.PLpgSQL_expr.ast, call)) as string)[0];
  } else ast = (it.expr ?? it.sqlstmt).PLpgSQL_expr.ast;
  const text: string = (it.sqlstmt ?? it.expr)?.PLpgSQL_expr.query ?? '';
  const done: Done = yield* run(ast, text, scopeOf(execution, variables));
  if (it.strict && done.rows.length === 0) throw new SqlError('P0002', 'query returned no rows');
  if (it.into) assignRow(call, it.target, done, 0);
  // EXECUTE leaves FOUND as it is.
  if (kind !== 'PLpgSQL_stmt_dynexecute') setFound(call, it.into ? done.rows.length > 0 : done.count > 0);
  return undefined;
}

function* forEach({ var: target, query, body }: Node, call: Call): Doing<Left> {
  yield { pause: 'step' };
  const rows = yield* run(query.PLpgSQL_expr.ast, '', scopeOf(call.execution, call.variables));
  for (const i of rows.rows.keys()) {
    assignRow(call, target, rows, i);
    const left = yield* runAll(body, call);
    if (left?.left === 'loop') break;
    if (left !== undefined) return left;
  }
  setFound(call, rows.rows.length > 0);
  return undefined;
}

function setVariable({ variables }: Call, name: string, value: Value): void {
  const variable = variables.get(name)!;
  variable.value = coerce(value, typeName(variable.type));
}

/** What RETURN gives that names a variable. */
function variableAt({ variables, data }: Call, number: number | undefined): Value | undefined {
  const { PLpgSQL_var, PLpgSQL_rec } = data[number ?? 0];
  return number === undefined ? undefined : variables.get((PLpgSQL_var ?? PLpgSQL_rec)?.refname)?.value;
}

/** Assigns to a variable, or to a column of one that is a row. */
function assign(call: Call, number: number, value: Value): void {
  const { PLpgSQL_var, PLpgSQL_recfield, PLpgSQL_rec } = call.data[number];
  if (PLpgSQL_recfield === undefined) return setVariable(call, (PLpgSQL_var ?? PLpgSQL_rec).refname, value);
  const { fieldname, recparentno } = PLpgSQL_recfield;
  const record = call.variables.get(call.data[recparentno].PLpgSQL_rec.refname)!;
  const type = call.execution.catalog.tables.get(typeName(record.type))?.columns.find(({ name }) => name === fieldname);
  const made = type === undefined ? value : coerce(value, type.type);
  record.value = { ...(record.value as Record<string, Value>), [fieldname]: made };
}

/** Assigns a row of a result, or nulls where there is none. */
function assignRow(call: Call, { PLpgSQL_row, PLpgSQL_rec }: Node, rows: Rows, index: number): void {
  const row = rows.rows[index];
  if (PLpgSQL_row !== undefined) {
    for (const [i, { varno }] of PLpgSQL_row.fields.entries()) assign(call, varno, row?.[i] ?? null);
    return;
  }
  const record = call.variables.get(PLpgSQL_rec.refname)!;
  const table = call.execution.catalog.tables.get(typeName(record.type));
  const columns = table?.columns.map(({ name }) => name) ?? rows.columns;
  record.value = Object.fromEntries(columns.map((column, i) => [column, row?.[i] ?? null]));
}
