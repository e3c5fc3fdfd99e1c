import type { Statement } from '../statements.ts';

/** What the adapter needs of a way to the database. */
export interface Driver {
  /**
   * Sends one statement and gives the value of its only column; `onSend` is called just before. Not sent, and rejected, when `signal` has
   * aborted by then.
   */
  answer(
    statement: Statement,
    values: readonly (string | null)[],
    signal?: AbortSignal,
    onSend?: () => void,
  ): Promise<unknown>;
  /** Runs one statement without parameters or a result. */
  run(sql: string): Promise<void>;
  /** Listens to a channel, and resolves when that stands; absent where it cannot. `onLost` is called at most once. */
  readonly listen?: ((channel: string, listener: Listener) => Promise<void>) | undefined;
  /** Whether the session is that of the server, and not one that a pooler lends. */
  isDirect?(): Promise<boolean>;
  /** Whether it prepares the statements that it repeats. */
  readonly prepares: boolean;
  /** Whether other processes can use the same database. */
  readonly crossProcess: boolean;
  /** Ends what it opened itself. */
  close(): Promise<void>;
}

/** Who listens to a channel. */
export interface Listener {
  onMessage(payload: string): void;
  onLost(): void;
}

/** The value in the only row of a result: an array of rows, or an object with one. */
export function answerIn(result: unknown): unknown {
  const rows = Array.isArray(result) ? result : (result as { rows?: unknown } | undefined | null)?.rows;
  const row: unknown = Array.isArray(rows) ? rows[0] : undefined;
  if (typeof row !== 'object' || row === null) return undefined;
  return Array.isArray(row) ? row[0] : (row as { answer?: unknown }).answer;
}

/** Rejects when an answer takes too long: it may come to pass all the same. */
export async function within<T>(ms: number, what: string, answer: PromiseLike<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} within ${ms} ms`)), ms);
    timer.unref();
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
