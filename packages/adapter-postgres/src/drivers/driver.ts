import { clearTimeout, setTimeout } from 'node:timers';
import type { CustomTypesConfig } from 'pg';
import type { Statement } from '../statements.ts';

/** Aborts when the caller no longer waits. Read only if needed: lock-core creates the signal of a request when it is first read. */
export interface Wanted {
  readonly signal: AbortSignal;
}

/** What the adapter needs in order to use the database. */
export interface Driver {
  /**
   * Sends a statement and returns its answer; `onSend` is called just before. If the statement had to wait, and the caller has given up
   * by then, it is not sent, and the call rejects.
   */
  answer(
    statement: Statement,
    values: readonly (string | null)[],
    wanted?: Wanted,
    onSend?: () => void,
  ): Promise<unknown>;
  /** Runs one statement without parameters or a result. */
  run(sql: string): Promise<void>;
  /** Listens to a channel, and resolves when the subscription is established; absent if the client cannot. `onLost` is called at most once. */
  readonly listen?: ((channel: string, listener: Listener) => Promise<void>) | undefined;
  /** Whether the session is one of the server, and not one that a pooler lends. */
  isDirect?(): Promise<boolean>;
  /** Whether it prepares the statements that it repeats. */
  readonly prepares: boolean;
  /** Whether other processes can use the same database. */
  readonly crossProcess: boolean;
  /** Closes what it has opened itself. */
  close(): Promise<void>;
}

/** Who listens to a channel. */
export interface Listener {
  onMessage(payload: string): void;
  onLost(): void;
}

/** The only value in the only row of a result (an array of rows, or an object with one). An application may rename its columns. */
export function answerIn(result: unknown): unknown {
  const rows = Array.isArray(result) ? result : (result as { rows?: unknown } | undefined | null)?.rows;
  const row: unknown = Array.isArray(rows) ? rows[0] : undefined;
  if (typeof row !== 'object' || row === null) return undefined;
  const [answer] = Object.values(row);
  return answer instanceof Uint8Array ? Buffer.from(answer).toString('utf8') : answer;
}

/** Sends one statement, and returns its answer, if there is one. */
export type Send = (statement: Statement, values: readonly (string | null)[]) => Promise<unknown>;

/** The answer of a statement, or of the usual case that is sent before it if that has one. */
export async function answerOf(statement: Statement, values: readonly (string | null)[], send: Send): Promise<unknown> {
  const { first } = statement;
  const answer = first && (await send(first, values.slice(0, first.parameters)));
  return answer ?? send(statement, values);
}

/** What a result answers: its value, or that a row was changed. */
export function answerTo({ changed }: Statement, result: unknown): unknown {
  if (changed === undefined) return answerIn(result);
  const { rowCount, count } = (result ?? {}) as { rowCount?: unknown; count?: unknown };
  return (rowCount ?? count) === 1 ? changed : undefined;
}

/** Makes `pg` return the texts of the server unchanged, whatever type parsers the application has set. */
export const asText = { getTypeParser: () => String } as unknown as CustomTypesConfig;

/** Rejects if an answer takes too long; the statement may take effect all the same. */
export async function within<T>(ms: number, what: string, answer: PromiseLike<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
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
