import { NotModelled, SqlError, type Value } from './values.ts';

/** How strongly a row is locked: what SELECT FOR KEY SHARE, SHARE, NO KEY UPDATE and UPDATE take. */
export type Strength = 0 | 1 | 2 | 3;

/** The weakest lock of another transaction that each of them has to wait for. */
const waitsFor: readonly Strength[] = [3, 2, 1, 0];

/** A transaction, from its first statement to its end. */
export interface Transaction {
  readonly id: number;
  /** By the clock of the server, in microseconds. */
  readonly beganAt: number;
  /** Whether its number has been told, as that of one that writes or locks. */
  isNumbered: boolean;
  state: 'open' | 'committed' | 'aborted';
  /** The place of its commit among all. */
  order: number;
  command: number;
  readonly locked: Set<Row>;
  readonly changed: Set<Table>;
  readonly undo: (() => void)[];
  readonly notices: { readonly channel: string; readonly payload: string }[];
  /** Settings to be put back at its end. */
  readonly restores: (() => void)[];
  /** Told when it has ended. */
  readonly waiters: Set<() => void>;
}

export interface Version {
  readonly values: readonly Value[];
  readonly by: Transaction;
  readonly command: number;
  endedBy: Transaction | undefined;
  endedIn: number;
  /** Who was the last to lock or end it, whatever has become of that since: its xmax. */
  touchedBy: number;
}

/** One row through all its versions, the newest last. */
export interface Row {
  readonly id: number;
  readonly table: Table;
  readonly versions: Version[];
  readonly locks: Map<Transaction, Strength>;
}

/** What a statement sees: what was committed by then, and what its transaction did before. */
export interface Snapshot {
  readonly transaction: Transaction;
  readonly order: number;
  readonly command: number;
}

export interface Table {
  readonly name: string;
  readonly columns: readonly {
    readonly name: string;
    readonly type: string;
    readonly isRequired: boolean;
    /** The expression for what is not given, in a syntax tree. */
    readonly otherwise: unknown;
  }[];
  readonly columnOf: ReadonlyMap<string, number>;
  /** The columns of each unique key. */
  readonly keys: (readonly number[])[];
  readonly isLogged: boolean;
  readonly rows: Set<Row>;
}

let nextRow = 1;

const isBefore = (by: Transaction, command: number, { transaction, order, command: now }: Snapshot): boolean =>
  by === transaction ? command < now : by.state === 'committed' && by.order <= order;

/** The version of a row that a snapshot sees. */
export function versionFor({ versions }: Row, snapshot: Snapshot): Version | undefined {
  for (let i = versions.length - 1; i >= 0; i--) {
    const version = versions[i]!;
    if (!isBefore(version.by, version.command, snapshot)) continue;
    const { endedBy } = version;
    return endedBy !== undefined && isBefore(endedBy, version.endedIn, snapshot) ? undefined : version;
  }
  return undefined;
}

/** The newest version that is committed, or of the transaction itself; undefined when that has been deleted. */
export function latest({ versions }: Row, own: Transaction): Version | undefined {
  for (let i = versions.length - 1; i >= 0; i--) {
    const { by, endedBy } = versions[i]!;
    if (by !== own && by.state !== 'committed') continue;
    return endedBy !== undefined && (endedBy === own || endedBy.state === 'committed') ? undefined : versions[i];
  }
  return undefined;
}

/** Which other transaction stands in the way of a lock, if any. */
export function rivalFor({ locks }: Row, own: Transaction, strength: Strength): Transaction | undefined {
  for (const [other, held] of locks) if (other !== own && held >= waitsFor[strength]!) return other;
  return undefined;
}

export function lock(row: Row, own: Transaction, strength: Strength): void {
  own.isNumbered = true;
  own.locked.add(row);
  row.locks.set(own, Math.max(strength, row.locks.get(own) ?? 0) as Strength);
  const version = latest(row, own);
  if (version !== undefined) version.touchedBy = own.id;
}

/** The row that has a key already, or the transaction that must end before it is clear whether there is one. */
export function conflictOf(
  table: Table,
  values: readonly Value[],
  own: Transaction,
): { readonly row: Row } | { readonly until: Transaction } | undefined {
  for (const key of table.keys) {
    for (const row of table.rows) {
      const newest = row.versions.at(-1);
      if (newest === undefined || !key.every((column) => newest.values[column] === values[column])) continue;
      if (newest.by !== own && newest.by.state === 'open') return { until: newest.by };
      const { endedBy } = newest;
      if (endedBy === undefined) return { row };
      if (endedBy !== own && endedBy.state === 'open') return { until: endedBy };
    }
  }
  return undefined;
}

export function insert(table: Table, values: readonly Value[], own: Transaction, command: number): Row {
  for (const [i, { name, isRequired }] of table.columns.entries()) {
    if (isRequired && values[i] === null)
      throw new SqlError(
        '23502',
        `null value in column "${name}" of relation "${table.name}" violates not-null constraint`,
      );
  }
  const row: Row = { id: nextRow++, table, versions: [], locks: new Map() };
  row.versions.push({ values, by: own, command, endedBy: undefined, endedIn: 0, touchedBy: 0 });
  table.rows.add(row);
  own.isNumbered = true;
  own.changed.add(table);
  own.undo.push(() => table.rows.delete(row));
  return row;
}

/** Ends the latest version of a row, and puts another one in its place if there is one; `wasLocked`: by this transaction, before. */
export function change(
  row: Row,
  values: readonly Value[] | undefined,
  own: Transaction,
  command: number,
  wasLocked = false,
): void {
  const before = latest(row, own);
  if (before === undefined) throw new NotModelled('a change of a row that is gone');
  before.endedBy = own;
  before.endedIn = command;
  own.changed.add(row.table);
  // Those who still hold a weaker lock hold it on the new version too, and so does a lock that came before the change.
  const holder = [...row.locks.keys()].find((other) => other !== own) ?? (wasLocked ? own : undefined);
  if (values !== undefined)
    row.versions.push({ values, by: own, command, endedBy: undefined, endedIn: 0, touchedBy: holder?.id ?? 0 });
  own.undo.push(() => {
    before.endedBy = undefined;
    if (values !== undefined) row.versions.pop();
  });
}

/** Forgets what nobody can see any more. `oldest` is the order of the oldest snapshot in use. */
export function prune(table: Table, oldest: number): void {
  for (const row of table.rows) {
    const { versions } = row;
    const isDead = ({ endedBy }: Version): boolean => endedBy?.state === 'committed' && endedBy.order <= oldest;
    while (versions.length > 0 && isDead(versions[0]!)) versions.shift();
    if (versions.length === 0) table.rows.delete(row);
  }
}
