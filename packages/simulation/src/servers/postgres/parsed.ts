import { loadModule, parsePlPgSQLSync, parseSync } from 'libpg-query';
import { typeOf } from './expressions.ts';
import type { Node } from './scope.ts';
import { NotModelled, SqlError } from './values.ts';

// PostgreSQL's own parser, compiled to WebAssembly.
await loadModule();

/** A function of the database. */
export interface Routine {
  readonly name: string;
  readonly language: 'sql' | 'plpgsql';
  readonly inputs: readonly Parameter[];
  readonly outputs: readonly Parameter[];
  readonly returns: string;
  /** Settings that hold while it runs. */
  readonly settings: readonly (readonly [name: string, value: string])[];
  /** Statements of SQL, or one block of PL/pgSQL. */
  readonly body: Node;
}

interface Parameter {
  readonly name: string;
  readonly type: string;
}

const statements = new Map<string, Node[]>();

/** The statements in a text. @throws SqlError for bad syntax */
export function parsed(text: string): Node[] {
  const known = statements.get(text);
  if (known !== undefined) return known;
  let found: Node[];
  try {
    found = (parseSync(text).stmts ?? []).map(({ stmt }) => stmt);
  } catch (error) {
    throw new SqlError('42601', (error as Error).message);
  }
  statements.set(text, found);
  return found;
}

const blocks = new Map<string, Node>();

/** The block of a CREATE FUNCTION or DO in PL/pgSQL, with the expressions in it parsed as well, as `ast`. */
export function parsedBlock(text: string): Node {
  const known = blocks.get(text);
  if (known !== undefined) return known;
  const { PLpgSQL_function } = (parsePlPgSQLSync(text) as Node).plpgsql_funcs[0];
  parseExpressions(PLpgSQL_function);
  blocks.set(text, PLpgSQL_function);
  return PLpgSQL_function;
}

function parseExpressions(node: Node): void {
  if (typeof node !== 'object' || node === null) return;
  const expression = node.PLpgSQL_expr;
  if (expression === undefined) return Object.values(node).forEach(parseExpressions);
  const { query, parseMode } = expression;
  // A statement; an expression; an assignment, of which the right side is wanted.
  if (parseMode === 0) expression.ast = parsed(query)[0];
  else {
    const text = parseMode >= 3 ? query.replace(/^[^=]*:?=/, '') : query;
    expression.ast = parsed(`SELECT ${text}`)[0].SelectStmt.targetList[0].ResTarget.val;
  }
}

/** What CREATE FUNCTION makes. */
export function parsedFunction(statement: Node, text: string): Routine {
  const { funcname, parameters = [], returnType, options } = statement;
  const option = (name: string): Node =>
    options.find(({ DefElem }: Node) => DefElem.defname === name)?.DefElem.arg ?? undefined;
  const language = option('language').String.sval;
  if (language !== 'sql' && language !== 'plpgsql') throw new NotModelled('the language', language);
  const all: (Parameter & { mode: string })[] = parameters.map(
    ({ FunctionParameter: { name, argType, mode } }: Node) => ({
      ...{ name, mode, type: typeOf(argType) },
    }),
  );
  const code: string = option('as').List.items[0].String.sval;
  const body = language === 'sql' ? parsed(code) : parsedBlock(text);
  return {
    name: funcname.map((part: Node) => part.String.sval).join('.'),
    language,
    inputs: all.filter(({ mode }) => mode !== 'FUNC_PARAM_OUT'),
    outputs: all.filter(({ mode }) => mode === 'FUNC_PARAM_OUT'),
    returns: returnType === undefined ? 'record' : typeOf(returnType),
    settings: options.flatMap(({ DefElem: { defname, arg } }: Node) =>
      defname === 'set' ? [[arg.VariableSetStmt.name, arg.VariableSetStmt.args[0].A_Const.sval.sval]] : [],
    ),
    body,
  };
}
