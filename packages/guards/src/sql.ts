import {
  assertFreeConnection,
  codeOf,
  failedTransaction,
  inTransaction,
  rowsOf,
  type SqlClient,
} from './sql-connection.ts';
import { type FencingToken, tokenText } from './token.ts';

/** The statement that creates the table of fences in PostgreSQL, unless it exists. */
export const sqlFenceTable: string =
  'CREATE TABLE IF NOT EXISTS holdfast_fence (resource text PRIMARY KEY, token bigint NOT NULL)';

/**
 * The guard for a transaction of your own (PostgreSQL). `$1` is the resource, `$2` the token. If it returns one row, continue; the fence
 * stays locked until the end of the transaction. If it returns no row, the fence has seen a higher token: roll back. If it fails, the
 * fence holds something other than a token. It guards only what is written in the same transaction.
 */
export const sqlFenceStatement: string = `INSERT INTO holdfast_fence AS fence (resource, token) VALUES ($1, $2)
ON CONFLICT (resource) DO UPDATE SET token = excluded.token
WHERE CASE WHEN pg_typeof(fence.token) = 'bigint'::regtype AND fence.token >= 0 THEN fence.token <= excluded.token
ELSE ('the fence of ' || fence.resource || ' holds something that is no fencing token')::boolean END`;

/**
 * The check of a reader, which does not change the fence (PostgreSQL). `$1` is the resource, `$2` the token. If it returns one row,
 * continue. If it returns no row, the fence has seen a higher token. If it fails, the fence holds something other than a token. Run it
 * after the reads, with or without a transaction.
 */
export const sqlFenceCheckStatement: string = `SELECT true AS fits WHERE NOT EXISTS (SELECT FROM holdfast_fence AS fence
WHERE fence.resource = $1 AND CASE WHEN pg_typeof(fence.token) = 'bigint'::regtype AND fence.token >= 0 THEN fence.token > $2
ELSE ('the fence of ' || fence.resource || ' holds something that is no fencing token')::boolean END)`;

// A setting that is local to the transaction proves that the transaction is still the one that was begun.
const markStatement = `SELECT set_config('holdfast.transaction', $1, true)
WHERE txid_current_if_assigned() IS NULL AND coalesce(current_setting('holdfast.transaction', true), '') = ''`;

/**
 * Check and COMMIT in one message, so that no other statement comes in between. The check fails in a transaction that has
 * failed and in any other transaction; PostgreSQL then skips the COMMIT, which by itself would not be an error there.
 */
const commitStatement = (marker: string): string => `SELECT CASE
WHEN current_setting('holdfast.transaction', true) = '${marker}' THEN true
ELSE ('in another transaction' || coalesce(current_setting('holdfast.transaction', true), ''))::boolean END; COMMIT`;

/** A row while the transaction goes on. A client that reports errors as results shows none when it has failed. */
const aliveStatement = "SELECT 1 WHERE current_setting('holdfast.transaction', true) = $1";

const inUse = new WeakSet<SqlClient>();

/**
 * Runs `write` in a transaction of its own, unless the fence has seen a higher token. In that case, it returns `false` and does not call
 * `write`. What `write` does through `client` is committed together with the token. If `write` throws, everything is rolled back, and
 * the call rejects with that error.
 *
 * `client` must be one connection, not a pool. It must not be in a transaction, and nothing else may use it meanwhile. `sqlFenceTable`
 * must have been run before. `true` means that PostgreSQL has committed the write.
 *
 * @throws TypeError without a token, for a pool, or for a client in use; nothing was written. Any other rejection is the client's. If
 * COMMIT failed, the write may have happened; it may be repeated with the same token.
 */
export async function fencedSqlWrite(
  client: SqlClient,
  resource: string,
  token: FencingToken,
  write: () => Promise<unknown>,
): Promise<boolean> {
  const text = tokenText(token);
  if (inUse.has(client)) throw inTransaction(resource);
  inUse.add(client);
  try {
    await assertFreeConnection(client, resource);
    return await writeInTransaction(client, resource, text, write);
  } finally {
    inUse.delete(client);
  }
}

async function writeInTransaction(
  client: SqlClient,
  resource: string,
  token: string,
  write: () => Promise<unknown>,
): Promise<boolean> {
  const marker = crypto.randomUUID();
  await client.query('BEGIN');
  if (!(await isMarked(client, marker))) throw inTransaction(resource);
  try {
    if (rowsOf(await client.query(sqlFenceStatement, [resource, token])) === 0) {
      if (rowsOf(await client.query(aliveStatement, [marker])) === 0) throw hidden(resource);
      await client.query('ROLLBACK').catch(() => {}); // nothing was written, whatever becomes of the connection
      return false;
    }
    await write();
    const [alive] = await Promise.all([
      client.query(aliveStatement, [marker]),
      client.query(commitStatement(marker)),
    ]).catch((cause: unknown) => {
      throw explained(cause, resource);
    });
    if (rowsOf(alive) === 0) throw hidden(resource);
    return true;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {}); // the connection may be gone; the first error says why
    throw error;
  }
}

/** False in a transaction of the caller, where BEGIN was only a warning, and COMMIT or ROLLBACK would end that transaction. */
async function isMarked(client: SqlClient, marker: string): Promise<boolean> {
  try {
    return rowsOf(await client.query(markStatement, [marker])) === 1;
  } catch (error) {
    if (codeOf(error) !== failedTransaction) await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
}

const invalidText = '22P02'; // of the cast in the commit statement

/** Why COMMIT was not reached. Any other error is the client's own: the outcome is unknown. */
function explained(cause: unknown, resource: string): unknown {
  if (codeOf(cause) === failedTransaction) {
    return new Error(
      `The fenced write of ${resource} was rolled back: a statement in it failed, and \`write\` did not throw the error. Nothing was written.`,
      { cause },
    );
  }
  if (codeOf(cause) === invalidText) {
    return new Error(
      `The transaction of the fenced write of ${resource} ended before its COMMIT: \`write\`, and whatever else uses the connection, must not send BEGIN, COMMIT or ROLLBACK (SAVEPOINT is allowed). The write may be half done.`,
      { cause },
    );
  }
  return cause;
}

function hidden(resource: string): Error {
  return new Error(
    `The fenced write of ${resource} was rolled back: a statement in it failed, and the client returned a result instead of rejecting. Nothing was written. Pass on the errors of the driver.`,
  );
}
