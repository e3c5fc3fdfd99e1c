import type { Routine } from './parsed.ts';
import { runBlock } from './procedures.ts';
import { type Doing, type Execution, type Rows, scopeOf, type Variables } from './scope.ts';
import { run } from './statements.ts';
import { coerce, NotModelled, type Value } from './values.ts';

/** What a function gives: one value, and the same as rows. */
export interface Result {
  readonly value: Value;
  readonly rows: Rows;
}

/** Calls a function of the database. */
export function* callFunction(routine: Routine, args: readonly Value[], execution: Execution): Doing<Result> {
  const { inputs, outputs, settings, name } = routine;
  if (args.length !== inputs.length) throw new NotModelled(`${args.length} arguments of`, name);
  const variables: Variables = new Map(
    inputs.map((input, i) => [input.name, { type: input.type, value: coerce(args[i]!, input.type) }]),
  );
  for (const output of outputs) variables.set(output.name, { type: output.type, value: null });
  const before = settings.map(([setting]) => [setting, execution.settings.get(setting) ?? '0'] as const);
  for (const [setting, value] of settings) execution.settings.set(setting, value);
  try {
    return yield* routine.language === 'sql'
      ? runSql(routine, variables, execution)
      : runProcedure(routine, variables, execution);
  } finally {
    for (const [setting, value] of before) execution.settings.set(setting, value);
  }
}

function* runSql({ body, returns, name }: Routine, variables: Variables, execution: Execution): Doing<Result> {
  let rows: Rows = { columns: [], rows: [] };
  for (const statement of body) rows = yield* run(statement, '', scopeOf(execution, variables));
  const value = coerce(rows.rows[0]?.[0] ?? null, returns);
  return { value, rows: { columns: [name], rows: [[value]] } };
}

function* runProcedure(routine: Routine, variables: Variables, execution: Execution): Doing<Result> {
  const { body, outputs, returns, name } = routine;
  const returned = yield* runBlock(body, variables, execution);
  if (outputs.length === 0) {
    const value = coerce(returned ?? null, returns);
    return { value, rows: { columns: [name], rows: [[value]] } };
  }
  const values = outputs.map((output) => variables.get(output.name)!.value);
  const columns = outputs.map((output) => output.name);
  const row = Object.fromEntries(columns.map((column, i) => [column, values[i]!]));
  return { value: outputs.length === 1 ? values[0]! : row, rows: { columns, rows: [values] } };
}
