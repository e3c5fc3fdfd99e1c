import type { Catalog } from './catalog.ts';
import type { Row, Snapshot, Transaction } from './rows.ts';
import type { Value } from './values.ts';

/** A node of the syntax tree, as PostgreSQL's own parser makes it. */
// biome-ignore lint/suspicious/noExplicitAny: hundreds of shapes, of which the model knows some and refuses the others.
export type Node = any;

/** What a statement waits for: the end of a transaction, or its turn on the processor. */
export type Wait = { readonly until: Transaction } | { readonly pause: Pause };

/** Where a process may lose its processor: between two statements, just before a write, or while the disk is written. */
export type Pause = 'step' | 'write' | 'commit';

/** Something that may have to wait. */
export type Doing<T> = Generator<Wait, T, void>;

/** Rows with names for their columns. */
export interface Rows {
  readonly columns: readonly string[];
  readonly rows: (readonly Value[])[];
}

/** What runs statements: one session of the server. */
export interface Execution {
  readonly catalog: Catalog;
  readonly transaction: Transaction;
  readonly parameters: readonly (string | null)[];
  readonly settings: Map<string, string>;
  readonly pid: number;
  /** The clock of the server, in microseconds, and what it showed when the client's statement arrived. */
  clock(): number;
  readonly statementAt: number;
  /** The order of the last commit. */
  lastCommit(): number;
  /** On which timeline the server writes. */
  timeline(): number;
  /** @throws SqlError where the server takes no writes */
  beforeWrite(): void;
}

/** The variables of a call of a function. */
export type Variables = Map<string, { readonly type: string; value: Value }>;

/** A row of a table, or of anything like one, under its name in a statement. */
export interface Bound {
  readonly name: string;
  readonly columns: readonly string[];
  readonly values: readonly Value[];
  /** Where it is a row that can be locked. */
  readonly row?: Row;
}

/** What the names in an expression mean. */
export interface Scope {
  readonly execution: Execution;
  readonly snapshot: Snapshot;
  readonly bound: readonly Bound[];
  readonly outer: Scope | undefined;
  readonly variables: Variables | undefined;
  readonly named: ReadonlyMap<string, Rows>;
  /** Of an aggregate, the rows that it is about. */
  readonly group?: readonly Scope[];
}

/** What a statement sees that begins now. */
function takeSnapshot({ transaction, lastCommit }: Execution): Snapshot {
  transaction.command += 1;
  return { transaction, order: lastCommit(), command: transaction.command };
}

export const scopeOf = (execution: Execution, variables: Variables | undefined): Scope => ({
  ...{ execution, variables, snapshot: takeSnapshot(execution) },
  ...{ bound: [], outer: undefined, named: new Map() },
});

export const within = (outer: Scope, bound: readonly Bound[]): Scope => ({ ...outer, bound, outer });

/** Runs what cannot have to wait. */
export function atOnce<T>(doing: Doing<T>): T {
  const { done, value } = doing.next();
  if (done !== true) throw new Error('A part of a statement waits, where the model does not expect it.');
  return value;
}
