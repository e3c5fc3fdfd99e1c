import type { Database } from './database.ts';
import type { Transaction } from './rows.ts';
import type { Doing, Wait } from './scope.ts';
import { SqlError } from './values.ts';

const deadlockTimeoutMs = 1_000;

/** A length of time as a setting has it, in ms; 0 for none. */
export function timeOf(setting = '0'): number {
  const [, digits, unit] = /^(\d+)(ms|s|min)?$/.exec(setting) ?? [undefined, '0', 'ms'];
  return Number(digits) * { ms: 1, s: 1_000, min: 60_000 }[unit ?? 'ms']!;
}

/** Told how something went. */
export type Settled<T> = (error: SqlError | undefined, value?: T) => void;

/** A process of the server: does one thing at a time, and waits where that has to. */
export class BackendProcess {
  readonly #database: Database;
  readonly #settings: ReadonlyMap<string, string>;
  #doing: Doing<unknown> | undefined;
  #settled: Settled<unknown> | undefined;
  /** Ends the present wait without its reason. */
  #stopWaiting: (() => void) | undefined;
  /** The transaction that it waits for. */
  waitsFor: Transaction | undefined;
  /** Its own. */
  transaction: Transaction | undefined;
  /** The commit that it has seen when it began. */
  sees = 0;
  isCommitting = false;

  constructor(database: Database, settings: ReadonlyMap<string, string>) {
    this.#database = database;
    this.#settings = settings;
  }

  get isBusy(): boolean {
    return this.#doing !== undefined;
  }

  start<T>(doing: Doing<T>, settled: Settled<T>): void {
    this.#doing = doing;
    this.#settled = settled as Settled<unknown>;
    this.sees = this.#database.lastCommit;
    this.#database.running.add(this);
    this.#advance();
  }

  /** Ends what it waits for with an error. What is being committed is not stopped. */
  cancel(error: SqlError): void {
    if (this.#stopWaiting === undefined || this.isCommitting) return;
    this.#stopWaiting();
    this.#advance(error);
  }

  /** Stops without an end, as a process that is killed. */
  kill(): void {
    this.#stopWaiting?.();
    this.#doing = undefined;
    this.#database.running.delete(this);
  }

  #advance(error?: SqlError): void {
    const doing = this.#doing!;
    let failure = error;
    for (;;) {
      let next: IteratorResult<Wait, unknown>;
      try {
        next = failure === undefined ? doing.next() : doing.throw(failure);
      } catch (thrown) {
        if (!(thrown instanceof SqlError)) throw thrown;
        return this.#end(thrown);
      }
      failure = undefined;
      if (next.done === true) return this.#end(undefined, next.value);
      if ('until' in next.value) return this.#waitFor(next.value.until);
      const ms = this.#database.terms.pauseMs(next.value.pause);
      if (ms > 0) return this.#pause(ms);
    }
  }

  #end(error: SqlError | undefined, value?: unknown): void {
    const settled = this.#settled!;
    this.kill();
    settled(error, value);
  }

  #pause(ms: number): void {
    const timer = this.#database.terms.after(ms, () => {
      this.#stopWaiting = undefined;
      this.#advance();
    });
    this.#stopWaiting = () => {
      timer.cancelled = true;
      this.#stopWaiting = undefined;
    };
  }

  #waitFor(rival: Transaction): void {
    const { after } = this.#database.terms;
    const timers: { cancelled: boolean }[] = [];
    const wake = (): void => {
      this.#stopWaiting?.();
      this.#pause(0.001);
    };
    this.waitsFor = rival;
    rival.waiters.add(wake);
    this.#stopWaiting = () => {
      for (const timer of timers) timer.cancelled = true;
      rival.waiters.delete(wake);
      this.waitsFor = undefined;
      this.#stopWaiting = undefined;
    };
    const lockTimeoutMs = timeOf(this.#settings.get('lock_timeout'));
    const tooLong = new SqlError('55P03', 'canceling statement due to lock timeout');
    if (lockTimeoutMs > 0) timers.push(after(lockTimeoutMs, () => this.cancel(tooLong)));
    timers.push(
      after(deadlockTimeoutMs, () => {
        if (this.#isInCircle()) this.cancel(new SqlError('40P01', 'deadlock detected'));
      }),
    );
  }

  #isInCircle(): boolean {
    const seen = new Set<Transaction>();
    for (let rival = this.waitsFor; rival !== undefined && !seen.has(rival); ) {
      if (rival === this.transaction) return true;
      seen.add(rival);
      rival = [...this.#database.running].find(({ transaction }) => transaction === rival)?.waitsFor;
    }
    return false;
  }
}
