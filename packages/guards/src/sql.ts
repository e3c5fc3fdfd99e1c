import { type FencingToken, tokenText } from './token.ts';

/** One connection of `pg`, or anything that runs a statement and tells the number of rows. */
export interface SqlClient {
  query(text: string, values?: unknown[]): Promise<{ rowCount: number | null; command?: string }>;
}

/** Makes the table of fences (PostgreSQL); harmless when it is there. */
export const sqlFenceTable: string =
  'CREATE TABLE IF NOT EXISTS holdfast_fence (resource text PRIMARY KEY, token bigint NOT NULL)';

/**
 * For a transaction of your own (PostgreSQL): `$1` the resource, `$2` the token. One row: go on, and the fence stays locked to the
 * end of the transaction. No row: a higher token was here, roll back. It guards only what is written in the same transaction.
 */
export const sqlFenceStatement: string = `INSERT INTO holdfast_fence AS fence (resource, token) VALUES ($1, $2)
ON CONFLICT (resource) DO UPDATE SET token = excluded.token WHERE fence.token <= excluded.token`;

/**
 * Runs `write` in a transaction of its own unless the fence has seen a higher token; `false` when it has, and `write` is not
 * called. What `write` does through `client` is committed together with the token; its error rolls back and comes out.
 *
 * `client` is one connection, not a pool, and in no transaction. `sqlFenceTable` must have been run.
 *
 * @throws TypeError no token, or a pool. Any other rejection is the client's: when it comes from COMMIT the write may have
 * happened, and may be made again with the same token.
 */
export async function fencedSqlWrite(
  client: SqlClient,
  resource: string,
  token: FencingToken,
  write: () => Promise<unknown>,
): Promise<boolean> {
  const text = tokenText(token);
  // Each statement on a connection of its own would be no transaction, and no guard.
  if ('totalCount' in client) throw new TypeError('A fenced write needs one connection: pool.connect(), not the pool.');
  await client.query('BEGIN');
  try {
    const { rowCount } = await client.query(sqlFenceStatement, [resource, text]);
    if (rowCount !== 1) {
      await client.query('ROLLBACK');
      return false;
    }
    await write();
    const { command } = await client.query('COMMIT');
    // PostgreSQL answers so, without an error, when a statement failed and `write` hid that.
    if (command === 'ROLLBACK')
      throw new Error(`The fenced write of ${resource} was rolled back: a statement in it failed.`);
    return true;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {}); // the connection may be gone: the first error says why
    throw error;
  }
}
