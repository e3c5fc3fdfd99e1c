import { aggregate, aggregates, callBuiltIn } from './built-in.ts';
import { callFunction } from './functions.ts';
import { select } from './queries.ts';
import { atOnce, type Doing, type Node, type Scope, within } from './scope.ts';
import { coerce, compare, NotModelled, operate, type Value } from './values.ts';

const text = (node: Node): string => node.String.sval;
const namesOf = (nodes: Node[]): string[] => nodes.map(text).filter((name) => name !== 'pg_catalog');

/** The name of a type in a syntax tree. */
export const typeOf = ({ names, arrayBounds }: Node): string => namesOf(names).join('.') + (arrayBounds ? '[]' : '');

const mayWait = new WeakMap<object, boolean>();

/** Whether it calls a function of the database, which may have to wait, or takes locks itself. */
function isWaiting(node: Node): boolean {
  if (typeof node !== 'object' || node === null) return false;
  const known = mayWait.get(node);
  if (known !== undefined) return known;
  const isCall = node.FuncCall !== undefined && functionName(node.FuncCall).includes('.');
  const found = isCall || node.lockingClause !== undefined || Object.values(node).some(isWaiting);
  mayWait.set(node, found);
  return found;
}

/** The value of an expression that need not wait for anybody. */
export function evaluate(node: Node, scope: Scope): Value {
  if (node.ColumnRef !== undefined) return lookUp(node.ColumnRef.fields, scope);
  if (node.A_Const !== undefined) return constant(node.A_Const);
  const kind = kindOf(node);
  const it = node[kind];
  switch (kind) {
    case 'ParamRef':
      return scope.execution.parameters[it.number - 1] ?? null;
    case 'TypeCast':
      return coerce(evaluate(it.arg, scope), typeOf(it.typeName));
    case 'NullTest':
      return (evaluate(it.arg, scope) === null) === (it.nulltesttype === 'IS_NULL');
    case 'BoolExpr':
      return atOnce(logic(it, scope));
    case 'A_Expr':
      return operation(it, it.lexpr === undefined ? 0 : evaluate(it.lexpr, scope), evaluate(it.rexpr, scope));
    case 'CoalesceExpr':
      for (const arg of it.args) {
        const value = evaluate(arg, scope);
        if (value !== null) return value;
      }
      return null;
    case 'MinMaxExpr':
      return extreme(it, scope);
    case 'CaseExpr':
      return atOnce(choice(it, scope));
    case 'FuncCall':
      return call(it, scope);
    case 'SubLink':
      return atOnce(subquery(it, scope));
    default:
      throw new NotModelled('the expression', node);
  }
}

const kinds = new WeakMap<object, string>();

/** The only name that a node has, from memory: to list the names of an object is slow. */
function kindOf(node: Node): string {
  const known = kinds.get(node);
  if (known !== undefined) return known;
  const [kind = ''] = Object.keys(node);
  kinds.set(node, kind);
  return kind;
}

/** The value of any expression. */
export function* evaluateWaiting(node: Node, scope: Scope): Doing<Value> {
  if (!isWaiting(node)) return evaluate(node, scope);
  const kind = kindOf(node);
  const it = node[kind];
  switch (kind) {
    case 'TypeCast':
      return coerce(yield* evaluateWaiting(it.arg, scope), typeOf(it.typeName));
    case 'NullTest':
      return ((yield* evaluateWaiting(it.arg, scope)) === null) === (it.nulltesttype === 'IS_NULL');
    case 'BoolExpr':
      return yield* logic(it, scope);
    case 'A_Expr': {
      const left = it.lexpr === undefined ? 0 : yield* evaluateWaiting(it.lexpr, scope);
      return operation(it, left, yield* evaluateWaiting(it.rexpr, scope));
    }
    case 'CaseExpr':
      return yield* choice(it, scope);
    case 'CoalesceExpr':
      for (const arg of it.args) {
        const value = yield* evaluateWaiting(arg, scope);
        if (value !== null) return value;
      }
      return null;
    case 'FuncCall': {
      const name = functionName(it);
      const args: Value[] = [];
      for (const arg of it.args ?? []) args.push(yield* evaluateWaiting(arg, scope));
      const known = scope.execution.catalog.functions.get(name);
      if (known === undefined) return callBuiltIn(name, args, scope.execution);
      return (yield* callFunction(known, args, scope.execution)).value;
    }
    case 'SubLink':
      return yield* subquery(it, scope);
    default:
      throw new NotModelled('a call of a function inside', kind);
  }
}

function extreme({ op, args }: Node, scope: Scope): Value {
  const sign = op === 'IS_GREATEST' ? 1 : -1;
  let best: Value = null;
  for (const arg of args) {
    const value = evaluate(arg, scope);
    if (value !== null && (best === null || compare(value, best) * sign > 0)) best = value;
  }
  return best;
}

function* choice({ args, defresult }: Node, scope: Scope): Doing<Value> {
  for (const { CaseWhen } of args) {
    if ((yield* evaluateWaiting(CaseWhen.expr, scope)) === true) return yield* evaluateWaiting(CaseWhen.result, scope);
  }
  return defresult === undefined ? null : yield* evaluateWaiting(defresult, scope);
}

function constant(it: Node): Value {
  if (it.isnull) return null;
  if (it.ival !== undefined) return it.ival.ival ?? 0;
  if (it.sval !== undefined) return it.sval.sval ?? '';
  if (it.boolval !== undefined) return it.boolval.boolval ?? false;
  if (it.fval !== undefined) return /^\d+$/.test(it.fval.fval) ? BigInt(it.fval.fval) : Number(it.fval.fval);
  throw new NotModelled('the constant', it);
}

function lookUp(fields: Node[], start: Scope): Value {
  const [first, second] = fields.map((field) => field.String?.sval as string);
  if (first === undefined) throw new NotModelled('the name', fields);
  for (let scope: Scope | undefined = start; scope !== undefined; scope = scope.outer) {
    for (const { name, columns, values, row } of scope.bound) {
      if (second !== undefined && name !== first) continue;
      const column = second ?? first;
      if (column === 'ctid' && row !== undefined) return row.id;
      if (column === 'xmax' && row !== undefined)
        return String(row.versions.find((version) => version.values === values)?.touchedBy ?? 0);
      const at = columns.indexOf(column);
      if (at >= 0) return values[at]!;
    }
  }
  const variable = start.variables?.get(first);
  if (variable === undefined) throw new NotModelled('the name', [first, second]);
  if (second === undefined) return variable.value;
  return (variable.value as { [column: string]: Value } | null)?.[second] ?? null;
}

/** With three values: what is unknown decides nothing. */
function* logic({ boolop, args }: Node, scope: Scope): Doing<Value> {
  if (boolop === 'NOT_EXPR') {
    const value = yield* evaluateWaiting(args[0], scope);
    return value === null ? null : !value;
  }
  const decisive = boolop === 'OR_EXPR';
  let result: Value = !decisive;
  for (const arg of args) {
    const value = isWaiting(arg) ? yield* evaluateWaiting(arg, scope) : evaluate(arg, scope);
    if (value === decisive) return decisive;
    if (value === null) result = null;
  }
  return result;
}

function operation({ kind, name }: Node, left: Value, right: Value): Value {
  const operator = text(name[0]);
  switch (kind) {
    case 'AEXPR_OP':
      return operate(operator, left, right);
    case 'AEXPR_DISTINCT':
      return left !== right;
    case 'AEXPR_NOT_DISTINCT':
      return left === right;
    case 'AEXPR_OP_ANY':
      return (right as Value[] | null)?.some((each) => operate(operator, left, each) === true) ?? null;
    case 'AEXPR_LIKE': {
      if (left === null || right === null) return null;
      const pattern = (right as string).replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll('%', '.*');
      return new RegExp(`^${pattern}$`, 's').test(left as string) === (operator === '~~');
    }
    default:
      throw new NotModelled('the operation', kind);
  }
}

const functionNames = new WeakMap<object, string>();

function functionName(it: Node): string {
  const known = functionNames.get(it);
  if (known !== undefined) return known;
  const name = namesOf(it.funcname).join('.');
  functionNames.set(it, name);
  return name;
}

function call(it: Node, scope: Scope): Value {
  const name = functionName(it);
  if (aggregates.has(name)) {
    if (scope.group === undefined) throw new NotModelled('an aggregate here', name);
    return aggregate(name, it, scope.group);
  }
  const args: Value[] = (it.args ?? []).map((arg: Node) => evaluate(arg, scope));
  const known = scope.execution.catalog.functions.get(name);
  if (known !== undefined) return atOnce(callFunction(known, args, scope.execution)).value;
  return callBuiltIn(name, args, scope.execution);
}

function* subquery({ subLinkType, subselect, testexpr, operName }: Node, scope: Scope): Doing<Value> {
  const { rows } = yield* select(subselect.SelectStmt, within(scope, []));
  switch (subLinkType) {
    case 'EXISTS_SUBLINK':
      return rows.length > 0;
    case 'EXPR_SUBLINK':
      return rows[0]?.[0] ?? null;
    case 'ARRAY_SUBLINK':
      return rows.map(([value]) => value!);
    case 'ANY_SUBLINK': {
      if (operName !== undefined) throw new NotModelled('the operator before ANY', operName);
      const value = evaluate(testexpr, scope);
      return rows.some((row) => operate('=', value, row[0]!) === true);
    }
    default:
      throw new NotModelled('the subquery', subLinkType);
  }
}
