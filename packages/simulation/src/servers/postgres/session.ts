import { BackendProcess, type Settled, timeOf } from './backend-process.ts';
import { type Database, defaultSettings } from './database.ts';
import { parsed } from './parsed.ts';
import type { Transaction } from './rows.ts';
import { type Doing, type Node, scopeOf } from './scope.ts';
import { type Done, run } from './statements.ts';
import { SqlError } from './values.ts';

/** What a statement answers, with the word for it. */
export interface Answer extends Done {
  readonly tag: string;
}

const answer = (tag: string): Answer => ({ columns: [], rows: [], count: 0, tag });

/** One session: its settings, its transaction, and the process that serves it. */
export class Session {
  readonly pid: number;
  readonly settings: Map<string, string> = defaultSettings();
  readonly channels: Set<string> = new Set();
  readonly backend: BackendProcess;
  readonly #database: Database;
  /** Where BEGIN was sent, and no end yet. */
  #block: { readonly transaction: Transaction; hasFailed: boolean } | undefined;

  constructor(database: Database, pid: number) {
    this.#database = database;
    this.pid = pid;
    this.backend = new BackendProcess(database, this.settings);
  }

  /** As the client is told: idle, in a transaction, or in one that has failed. */
  get status(): 'I' | 'T' | 'E' {
    if (this.#block === undefined) return 'I';
    return this.#block.hasFailed ? 'E' : 'T';
  }

  /** The open transaction of a BEGIN. */
  get transaction(): Transaction | undefined {
    return this.#block?.hasFailed === false ? this.#block.transaction : undefined;
  }

  /** Runs statements; what happens to them is told once. */
  start(
    statements: readonly Node[],
    text: string,
    parameters: readonly (string | null)[],
    settled: Settled<Answer[]>,
  ): void {
    const limitMs = timeOf(this.settings.get('statement_timeout'));
    const tooLong = new SqlError('57014', 'canceling statement due to statement timeout');
    const timer = limitMs > 0 ? this.#database.terms.after(limitMs, () => this.backend.cancel(tooLong)) : undefined;
    this.backend.start(this.#all(statements, text, parameters), (error, answers) => {
      if (timer !== undefined) timer.cancelled = true;
      settled(error, answers);
    });
  }

  *#all(statements: readonly Node[], text: string, parameters: readonly (string | null)[]): Doing<Answer[]> {
    const answers: Answer[] = [];
    for (const statement of statements) answers.push(yield* this.#one(statement, text, parameters));
    return answers;
  }

  *#one(statement: Node, text: string, parameters: readonly (string | null)[]): Doing<Answer> {
    if (statement.TransactionStmt !== undefined) return yield* this.#control(statement.TransactionStmt.kind);
    if (this.#block?.hasFailed)
      throw new SqlError('25P02', 'current transaction is aborted, commands ignored until end of transaction block');
    const transaction = this.#block?.transaction ?? this.#database.begin();
    this.backend.transaction = transaction;
    try {
      const done = yield* this.#run(statement, text, parameters, transaction);
      if (this.#block === undefined) yield* this.#commit(transaction);
      return done;
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      if (transaction.state === 'open') this.#database.abort(transaction);
      if (this.#block !== undefined) this.#block.hasFailed = true;
      throw error;
    }
  }

  *#run(
    statement: Node,
    text: string,
    parameters: readonly (string | null)[],
    transaction: Transaction,
  ): Doing<Answer> {
    const { ListenStmt, UnlistenStmt, VariableShowStmt } = statement;
    if (VariableShowStmt !== undefined) throw new SqlError('0A000', 'SHOW is not modelled');
    if (ListenStmt !== undefined) this.channels.add(ListenStmt.conditionname);
    if (UnlistenStmt !== undefined) this.channels.clear();
    if (ListenStmt !== undefined || UnlistenStmt !== undefined) return answer('LISTEN');
    // Of the catalogue one question is asked, which rights are missing; here none are.
    if (statement.SelectStmt !== undefined && text.includes('pg_class'))
      return { columns: ['answer'], rows: [['']], count: 1, tag: 'SELECT 1' };
    const execution = this.#database.executionOf({
      ...{ transaction, parameters, settings: this.settings, pid: this.pid },
    });
    const done = yield* run(statement, text, scopeOf(execution, undefined));
    const [kind = ''] = Object.keys(statement);
    const word = kind.replace(/Stmt$/, '').toUpperCase();
    return { ...done, tag: word === 'INSERT' ? `INSERT 0 ${done.count}` : `${word} ${done.count}` };
  }

  *#control(kind: string): Doing<Answer> {
    const block = this.#block;
    switch (kind) {
      case 'TRANS_STMT_BEGIN':
        this.#block ??= { transaction: this.#database.begin(), hasFailed: false };
        this.backend.transaction = this.#block.transaction;
        return answer('BEGIN');
      case 'TRANS_STMT_COMMIT':
        if (block === undefined || block.hasFailed) {
          this.#block = undefined;
          return answer('ROLLBACK');
        }
        try {
          yield* this.#commit(block.transaction);
        } catch (error) {
          this.rollBack();
          throw error;
        }
        return answer('COMMIT');
      case 'TRANS_STMT_ROLLBACK':
        this.rollBack();
        return answer('ROLLBACK');
      default:
        throw new SqlError('0A000', `${kind} is not modelled`);
    }
  }

  *#commit(transaction: Transaction): Doing<void> {
    this.#database.beforeCommit(transaction);
    if (transaction.changed.size > 0) {
      this.backend.isCommitting = true;
      yield { pause: 'commit' };
    }
    this.finishCommit(transaction);
  }

  /** The last step of a commit, which is taken even when the process is to end. */
  finishCommit(transaction: Transaction): void {
    this.backend.isCommitting = false;
    this.#block = undefined;
    this.#database.commit(transaction, {
      ...{ pid: this.pid, isDurable: this.settings.get('synchronous_commit') !== 'off' },
    });
  }

  /** Undoes the open transaction, if there is one. */
  rollBack(): void {
    if (this.#block?.hasFailed === false) this.#database.abort(this.#block.transaction);
    this.#block = undefined;
  }

  /** Ends at once; with `crashes`, together with the server. */
  end(crashes = false): void {
    const { backend } = this;
    const { transaction, isCommitting, isBusy } = backend;
    backend.kill();
    this.channels.clear();
    if (isBusy && isCommitting && !crashes && transaction?.state === 'open') return this.finishCommit(transaction);
    if (isBusy && transaction?.state === 'open') this.#database.abort(transaction);
    this.rollBack();
  }
}

/** The statements of a text. */
export const statementsOf = (text: string): readonly Node[] => parsed(text);
