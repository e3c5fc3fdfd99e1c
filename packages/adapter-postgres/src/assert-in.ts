import { type HoldRef, LockError } from '@holdfast/lock-core';
import { readPinned } from './answers.ts';
import { answerIn, asText } from './drivers/driver.ts';
import { queryThrough } from './drivers/query.ts';
import { readable } from './errors.ts';
import { hex, type Statement, type Statements } from './statements.ts';

type Query = (statement: Statement, values: string[]) => PromiseLike<unknown>;

interface Parts {
  unsafe?(text: string, values: string[]): PromiseLike<unknown> & { raw?(): PromiseLike<unknown> };
  query?(query: unknown, values?: string[]): PromiseLike<unknown>;
  getTypeParser?: unknown;
}

/**
 * How to send a statement inside the transaction of a client, whatever type parsers the application has set.
 * @throws LockError LOCK_INVALID_ARGUMENT for anything else
 */
function queryOf(client: unknown): Query {
  const parts = (client ?? {}) as Parts;
  if (typeof parts.unsafe === 'function') {
    return ({ text }, values) => {
      const sent = parts.unsafe!(text, values);
      return sent.raw?.() ?? sent;
    };
  }
  const query = queryThrough(client);
  if (query !== undefined) return ({ text }, values) => query(text, values);
  if (typeof parts.query === 'function') {
    return typeof parts.getTypeParser === 'function'
      ? ({ text }, values) => parts.query!({ text, values, types: asText })
      : ({ text }, values) => parts.query!(text, values);
  }
  throw new LockError(
    'LOCK_INVALID_ARGUMENT',
    'assertIn takes the client of an open transaction: one of pg, postgres, PGlite, Prisma or Knex, or a function (text, values) => rows',
  );
}

/**
 * Pins a hold inside the transaction of the caller: until that ends, nobody else is granted the key.
 * @throws LockError LOCK_LOST if it is no longer held; LOCK_INVALID_ARGUMENT without a transaction
 */
export async function assertIn(
  { pin, transaction }: Statements,
  { key, owner }: HoldRef,
  client: unknown,
): Promise<void> {
  const query = queryOf(client);
  const ask = async (statement: Statement, values: string[]): Promise<unknown> => {
    try {
      return answerIn(await query(statement, values));
    } catch (error) {
      throw readable(error, key);
    }
  };
  const pinned = readPinned(await ask(pin, [hex(key), hex(owner)]));
  const name = JSON.stringify(key);
  if (pinned === 'lost' || pinned === 'unseen') {
    const what =
      pinned === 'lost'
        ? 'is no longer held'
        : 'is not held in what this transaction sees: it was lost, or acquired after the first statement of the transaction';
    throw new LockError('LOCK_LOST', `lock ${name} ${what} (postgres): roll the transaction back`, { key });
  }
  // Without a transaction, the pin has ended with its statement.
  if ((await ask(transaction, [])) === pinned) return;
  throw new LockError(
    'LOCK_INVALID_ARGUMENT',
    `assertIn of lock ${name} was not called inside a transaction: pass the client on which BEGIN was sent, not a pool`,
    { key },
  );
}
