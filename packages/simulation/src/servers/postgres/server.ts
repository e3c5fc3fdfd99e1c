import type { Machine } from '../../engine/machine.ts';
import type { Connection } from '../../engine/network.ts';
import type { ByteConnection } from '../../engine/socket.ts';
import type { Image } from './catalog.ts';
import { Database, type Listener } from './database.ts';
import { Front } from './front.ts';
import type { Transaction } from './rows.ts';
import type { Pause } from './scope.ts';
import { Session } from './session.ts';
import { SqlError } from './values.ts';

/** What one server is like. */
export interface ServerTerms {
  readonly machine: Machine;
  pauseMs(what: Pause): number;
  readonly maxConnections: number;
  /** How long a session may idle in a transaction; 0 for no limit. */
  readonly idleInTransactionMs: number;
  /** Whether a pooler that lends sessions for one transaction stands before it. */
  readonly pooler: boolean;
  /** How far behind the standby is, if there is one. */
  readonly standby: 'none' | 'asynchronous' | 'synchronous';
  lagMs(): number;
  /** Whether commits are durable where nobody has said anything about it. */
  readonly synchronousCommit: boolean;
  onCommit(transaction: Transaction): void;
}

/** A PostgreSQL server with its sessions, and perhaps a standby. */
export class Server {
  readonly database: Database;
  readonly #terms: ServerTerms;
  readonly #fronts = new Set<Front>();
  readonly #listeners = new Map<Front, Listener>();
  readonly #idle = new Map<Front, { cancelled: boolean }>();
  #nextPid = 100;
  /** What the standby may have by now, the newest last. */
  #images: { readonly at: number; readonly image: Image }[] = [];

  constructor(terms: ServerTerms) {
    const { machine, pauseMs } = terms;
    const { world } = machine;
    this.#terms = terms;
    this.database = new Database({
      // In whole microseconds, as clock_timestamp() has them.
      clock: () => Math.floor(machine.wallNow() * 1_000),
      after: (ms, then) => {
        const timer = world.after(ms, () => machine.receive(() => timer.cancelled || then()));
        return timer;
      },
      pauseMs,
      onCommit: (transaction) => {
        if (terms.standby === 'asynchronous' && transaction.changed.size > 0) this.#ship();
        terms.onCommit(transaction);
      },
    });
  }

  get fronts(): ReadonlySet<Front> {
    return this.#fronts;
  }

  get sessions(): Session[] {
    return [...this.#fronts].flatMap(({ session }) => (session === undefined ? [] : [session]));
  }

  readonly accept = (connection: Connection): void => {
    this.#fronts.add(new Front(this, connection as ByteConnection));
  };

  /** A session as it begins. */
  open(): Session {
    const session = new Session(this.database, this.#nextPid++);
    if (!this.#terms.synchronousCommit) session.settings.set('synchronous_commit', 'off');
    return session;
  }

  /** Why a session may not begin, if so. */
  admit(parameters: ReadonlyMap<string, string>): SqlError | undefined {
    if (this.sessions.length >= this.#terms.maxConnections)
      return new SqlError('53300', 'sorry, too many clients already', 'FATAL');
    const refused = ['options', 'statement_timeout'].find((name) => parameters.has(name));
    if (this.#terms.pooler && refused !== undefined)
      return new SqlError('08P01', `unsupported startup parameter: ${refused}`, 'FATAL');
    return undefined;
  }

  /** @throws SqlError for what a pooler cannot give */
  checkStatement(text: string, name: string): void {
    if (!this.#terms.pooler) return;
    if (name !== '') throw new SqlError('26000', `prepared statement "${name}" does not exist`);
    if (/^\s*(LISTEN|UNLISTEN)/i.test(text)) throw new SqlError('0A000', 'LISTEN through a pooler');
  }

  cancel(pid: number): void {
    const session = this.sessions.find((one) => one.pid === pid);
    session?.backend.cancel(new SqlError('57014', 'canceling statement due to user request'));
  }

  began(front: Front): void {
    const { session } = front;
    if (session === undefined) return;
    const { channels } = session;
    const listener: Listener = { channels, notify: (...told) => front.notify(...told) };
    this.#listeners.set(front, listener);
    this.database.listeners.add(listener);
  }

  ended(front: Front): void {
    this.#fronts.delete(front);
    this.#stopIdle(front);
    this.database.listeners.delete(this.#listeners.get(front)!);
    this.#listeners.delete(front);
  }

  /** A session has become idle; in a transaction, its idle time is limited. */
  rested(front: Front): void {
    this.#stopIdle(front);
    if (front.session?.status === 'I' || this.#terms.idleInTransactionMs === 0) return;
    const tooLong = new SqlError('25P03', 'terminating connection due to idle-in-transaction timeout', 'FATAL');
    const wait = (): void => {
      const timer = this.database.terms.after(this.#terms.idleInTransactionMs, () => {
        if (front.session?.backend.isBusy !== true) front.terminate(tooLong);
        else wait();
      });
      this.#idle.set(front, timer);
    };
    wait();
  }

  #stopIdle(front: Front): void {
    const timer = this.#idle.get(front);
    if (timer !== undefined) timer.cancelled = true;
    this.#idle.delete(front);
  }

  /** What the standby gets, some time later. */
  #ship(): void {
    const at = this.#terms.machine.world.now;
    const lagMs = this.#terms.lagMs();
    this.#images.push({ at: at + lagMs, image: this.database.catalog.image() });
    const arrived = this.#images.findLastIndex((one) => one.at <= at);
    if (arrived > 0) this.#images.splice(0, arrived);
  }

  /** The standby takes over with what it has by now; an asynchronous one has lost the last commits. */
  failOver(): void {
    const now = this.#terms.machine.world.now;
    const image = this.#images.findLast(({ at }) => at <= now)?.image ?? this.#images[0]?.image;
    this.#stop();
    this.database.timeline += 1;
    this.database.recover(this.#terms.standby === 'asynchronous' ? image : this.database.catalog.image());
    this.#images = [];
  }

  /** Stops at once, and starts again with what is durable. */
  restart(): void {
    this.#stop();
    this.database.recover();
  }

  #stop(): void {
    for (const front of [...this.#fronts]) front.drop();
  }

  /** Ends some of the sessions, as an administrator does. */
  terminate(isMeant: (session: Session) => boolean): void {
    const error = new SqlError('57P01', 'terminating connection due to administrator command', 'FATAL');
    for (const front of [...this.#fronts]) if (front.session && isMeant(front.session)) front.terminate(error);
  }
}
