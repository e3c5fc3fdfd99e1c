import type { BackendProcess } from './backend-process.ts';
import { Catalog, type Image } from './catalog.ts';
import { parsed } from './parsed.ts';
import { prune, type Transaction } from './rows.ts';
import { type Execution, type Pause, scopeOf } from './scope.ts';
import { run } from './statements.ts';
import { SqlError, type Value } from './values.ts';

/** What the database needs of the machine that it runs on. */
export interface DatabaseTerms {
  /** The clock, in microseconds since 1970. */
  clock(): number;
  /** Runs something later, unless it is cancelled. */
  after(ms: number, then: () => void): { cancelled: boolean };
  /** For how long a backend has no processor, or waits for the disk. */
  pauseMs(what: Pause): number;
  /** Told of each commit, after it. */
  onCommit?(transaction: Transaction): void;
}

/** A session that receives notifications. */
export interface Listener {
  readonly channels: ReadonlySet<string>;
  notify(pid: number, channel: string, payload: string): void;
}

// The writer of the log makes asynchronous commits durable after that time at the latest.
const writerMs = 600;

/** The data of a server, with the transactions on them. */
export class Database {
  readonly catalog: Catalog = new Catalog();
  readonly terms: DatabaseTerms;
  readonly listeners: Set<Listener> = new Set();
  readonly running: Set<BackendProcess> = new Set();
  lastCommit = 0;
  timeline = 1;
  /** Why writes are refused, if they are. */
  refusal: SqlError | undefined;
  /** With what the next commits fail. */
  readonly failures: SqlError[] = [];
  #nextId = 700;
  /** What a crash leaves, where it is less than what was committed. */
  #durable: Image | undefined;

  constructor(terms: DatabaseTerms) {
    this.terms = terms;
  }

  begin(): Transaction {
    return {
      beganAt: this.terms.clock(),
      ...{
        id: this.#nextId++,
        isNumbered: false,
        state: 'open',
        order: 0,
        command: 0,
        undo: [],
        notices: [],
        restores: [],
      },
      ...{ locked: new Set(), changed: new Set(), waiters: new Set() },
    };
  }

  /** @throws SqlError where it may not be committed */
  beforeCommit({ changed }: Transaction): void {
    const failure = changed.size > 0 ? this.failures.shift() : undefined;
    if (failure !== undefined) throw failure;
  }

  commit(transaction: Transaction, by: { readonly pid: number; readonly isDurable: boolean }): void {
    if (!by.isDurable && transaction.changed.size > 0 && this.#durable === undefined) {
      const image = this.catalog.image();
      this.#durable = image;
      this.terms.after(writerMs, () => {
        if (this.#durable === image) this.#durable = undefined;
      });
    } else if (by.isDurable && transaction.changed.size > 0) this.#durable = undefined;
    transaction.state = 'committed';
    transaction.order = ++this.lastCommit;
    this.#release(transaction);
    const oldest = Math.min(this.lastCommit, ...[...this.running].map(({ sees }) => sees));
    for (const table of transaction.changed) prune(table, oldest);
    for (const { channel, payload } of transaction.notices) {
      for (const listener of this.listeners)
        if (listener.channels.has(channel)) listener.notify(by.pid, channel, payload);
    }
    this.terms.onCommit?.(transaction);
  }

  abort(transaction: Transaction): void {
    for (const undo of transaction.undo.splice(0).reverse()) undo();
    transaction.state = 'aborted';
    this.#release(transaction);
  }

  #release({ locked, waiters, restores }: Transaction): void {
    for (const restore of restores.splice(0)) restore();
    for (const row of locked) {
      for (const holder of row.locks.keys()) if (holder.state !== 'open') row.locks.delete(holder);
    }
    for (const wake of [...waiters]) wake();
  }

  /** What is committed in a table now, as objects. */
  committed(name: string): Readonly<Record<string, Value>>[] {
    const table = this.catalog.tables.get(name);
    if (table === undefined) return [];
    return [...table.rows].flatMap(({ versions }) => {
      const version = versions.findLast(({ by }) => by.state === 'committed');
      if (version === undefined || version.endedBy?.state === 'committed') return [];
      return [Object.fromEntries(table.columns.map(({ name: column }, i) => [column, version.values[i]!]))];
    });
  }

  /** Goes on after a crash with what is durable, or with an older image. */
  recover(image: Image = this.#durable ?? this.catalog.image()): void {
    const recovery = this.begin();
    this.catalog.restore(image, recovery);
    recovery.state = 'committed';
    recovery.order = ++this.lastCommit;
    this.#durable = undefined;
  }

  /** Runs statements at once, as the administrator. */
  administer(text: string): readonly (readonly Value[])[] {
    const transaction = this.begin();
    const settings = defaultSettings();
    const execution: Execution = this.executionOf({ transaction, parameters: [], settings, pid: 1 });
    let rows: readonly (readonly Value[])[] = [];
    for (const statement of parsed(text)) {
      const doing = run(statement, text, scopeOf(execution, undefined));
      let next = doing.next();
      while (next.done !== true) {
        if ('until' in next.value) throw new Error(`The administrator has to wait: ${text.slice(0, 80)}`);
        next = doing.next();
      }
      rows = next.value.rows;
    }
    this.commit(transaction, { pid: 1, isDurable: true });
    return rows;
  }

  executionOf(own: Pick<Execution, 'transaction' | 'parameters' | 'settings' | 'pid'>): Execution {
    return {
      ...own,
      catalog: this.catalog,
      clock: this.terms.clock,
      statementAt: this.terms.clock(),
      lastCommit: () => this.lastCommit,
      timeline: () => this.timeline,
      beforeWrite: () => {
        if (this.refusal !== undefined) throw new SqlError(this.refusal.code, this.refusal.message);
      },
    };
  }
}

/** What a session has before it sets anything. */
export const defaultSettings = (): Map<string, string> =>
  new Map([
    ['transaction_isolation', 'read committed'],
    ['synchronous_commit', 'on'],
    ['lock_timeout', '0'],
    ['statement_timeout', '0'],
  ]);
