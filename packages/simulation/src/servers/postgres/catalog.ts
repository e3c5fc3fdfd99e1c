import { typeOf } from './expressions.ts';
import { tableName } from './from.ts';
import { parsedFunction, type Routine } from './parsed.ts';
import { insert, type Table, type Transaction } from './rows.ts';
import type { Node } from './scope.ts';
import { NotModelled, SqlError, type Value } from './values.ts';

// So many values of a sequence are written down before they are given, and skipped after a crash.
const loggedAhead = 32n;

/** A sequence: never rolled back, and after a crash ahead of what it gave. */
export class Sequence {
  readonly increment: bigint;
  lastValue: bigint;
  isCalled = false;
  /** What a crash leaves of it. */
  logged: { readonly lastValue: bigint; readonly isCalled: boolean };
  #ahead = 0;

  constructor(first: bigint, increment: bigint) {
    this.lastValue = first;
    this.increment = increment;
    this.logged = { lastValue: first, isCalled: false };
  }
  next(): bigint {
    if (this.isCalled) this.lastValue += this.increment;
    this.isCalled = true;
    if (this.#ahead > 0) this.#ahead -= 1;
    else {
      this.#ahead = Number(loggedAhead);
      this.logged = { lastValue: this.lastValue + loggedAhead * this.increment, isCalled: true };
    }
    return this.lastValue;
  }
  set(value: bigint): void {
    this.lastValue = value;
    this.isCalled = true;
    this.#ahead = 0;
    this.logged = { lastValue: value, isCalled: true };
  }
  recover({ lastValue, isCalled }: Sequence['logged']): void {
    this.lastValue = lastValue;
    this.isCalled = isCalled;
    this.#ahead = 0;
    this.logged = { lastValue, isCalled };
  }
}

/** What was committed at one moment. */
export interface Image {
  readonly rows: ReadonlyMap<string, (readonly Value[])[]>;
  readonly sequences: ReadonlyMap<string, Sequence['logged']>;
}

/** The schemas of a database, with what is in them. */
export class Catalog {
  readonly schemas: Set<string> = new Set(['public', 'pg_catalog']);
  readonly tables: Map<string, Table> = new Map();
  readonly sequences: Map<string, Sequence> = new Map();
  readonly functions: Map<string, Routine> = new Map();

  /** Runs a statement that defines something; whether it is one. */
  define(statement: Node, text: string): boolean {
    const { CreateSchemaStmt, CreateStmt, CreateSeqStmt, CreateFunctionStmt, IndexStmt, ViewStmt } = statement;
    if (CreateSchemaStmt !== undefined) this.schemas.add(CreateSchemaStmt.schemaname);
    else if (CreateStmt !== undefined) this.#createTable(CreateStmt);
    else if (CreateSeqStmt !== undefined) this.#createSequence(CreateSeqStmt);
    else if (CreateFunctionStmt !== undefined) {
      const routine = parsedFunction(CreateFunctionStmt, text);
      this.functions.set(routine.name, routine);
      // Views are for people.
    } else if (ViewStmt === undefined && (IndexStmt === undefined || IndexStmt.unique)) return false;
    return true;
  }

  #createTable({ relation, tableElts, if_not_exists }: Node): void {
    const name = tableName(relation);
    if (this.tables.has(name)) {
      if (if_not_exists) return;
      throw new SqlError('42P07', `relation "${name}" already exists`);
    }
    const definitions: Node[] = tableElts.flatMap(({ ColumnDef }: Node) => (ColumnDef ? [ColumnDef] : []));
    const isOf = (kind: string) => (each: Node) => each.Constraint.contype === kind;
    const columns = definitions.map(({ colname, typeName, constraints = [] }) => ({
      name: colname as string,
      type: aliases[typeOf(typeName)] ?? typeOf(typeName),
      otherwise: constraints.find(isOf('CONSTR_DEFAULT'))?.Constraint.raw_expr,
      isRequired: constraints.some((each: Node) => isOf('CONSTR_NOTNULL')(each) || isOf('CONSTR_PRIMARY')(each)),
    }));
    const columnOf = new Map(columns.map((column, i) => [column.name, i]));
    const own = definitions.flatMap(({ colname, constraints = [] }) =>
      constraints.some(isOf('CONSTR_PRIMARY')) || constraints.some(isOf('CONSTR_UNIQUE')) ? [[colname]] : [],
    );
    const others = tableElts.flatMap(({ Constraint }: Node) =>
      Constraint?.keys ? [Constraint.keys.map(({ String: { sval } }: Node) => sval)] : [],
    );
    const keys = [...own, ...others].map((key: string[]) => key.map((column) => columnOf.get(column)!));
    const isLogged = relation.relpersistence !== 'u';
    this.tables.set(name, { name: relation.relname, columns, columnOf, keys, isLogged, rows: new Set() });
  }

  #createSequence({ sequence, options, if_not_exists }: Node): void {
    const name = tableName(sequence);
    if (this.sequences.has(name) && if_not_exists) return;
    const option = (wanted: string): bigint | undefined => {
      const found = options.find(({ DefElem }: Node) => DefElem.defname === wanted)?.DefElem.arg;
      return found === undefined ? undefined : BigInt(found.Integer?.ival ?? found.Float.fval);
    };
    if ((option('cache') ?? 1n) !== 1n) throw new NotModelled('a sequence with a cache');
    this.sequences.set(name, new Sequence(option('start') ?? option('minvalue') ?? 1n, option('increment') ?? 1n));
  }

  image(): Image {
    const rows = [...this.tables].map(([name, table]): [string, (readonly Value[])[]] => {
      const newest = [...table.rows].flatMap(({ versions }) => {
        const version = versions.findLast(({ by }) => by.state === 'committed');
        return version === undefined || version.endedBy?.state === 'committed' ? [] : [version.values];
      });
      return [name, table.isLogged ? newest : []];
    });
    return { rows: new Map(rows), sequences: new Map([...this.sequences].map(([name, { logged }]) => [name, logged])) };
  }

  /** Goes on with what was committed at that moment. */
  restore({ rows, sequences }: Image, by: Transaction): void {
    for (const [name, table] of this.tables) {
      table.rows.clear();
      for (const values of rows.get(name) ?? []) insert(table, values, by, 0);
    }
    for (const [name, sequence] of this.sequences) {
      const logged = sequences.get(name);
      if (logged !== undefined) sequence.recover(logged);
    }
  }
}

/** The same types under other names. */
const aliases: Readonly<Record<string, string>> = { int8: 'bigint', int4: 'integer', bool: 'boolean' };
