/** One connection of `pg`, or anything else that runs statements on one connection and returns the number of rows. */
export interface SqlClient {
  query(text: string, values?: unknown[]): Promise<{ rowCount: number | string | bigint | null }>;
}

const isPool = (client: object): boolean =>
  ['totalCount', 'idleCount', 'waitingCount'].some((name) => (client as Record<string, unknown>)[name] !== undefined);

/**
 * Refuses a pool, since each statement would run on any connection of it, which is no transaction and no guard; and a connection in a
 * transaction of the caller, which COMMIT would end.
 *
 * A wrapper shows nothing of what is behind it. So two statements are sent at once: one connection runs them in turn, and the second
 * sees what the first one set; a pool runs them on two connections. A pool of one connection cannot be told from one connection.
 * This is done for each write, since a pool may have had only one connection free the last time.
 */
export async function assertFreeConnection(client: SqlClient, resource: string): Promise<void> {
  if (isPool(client)) throw pool();
  const status = transactionStatus(client);
  if (status === 'T' || status === 'E') throw inTransaction(resource);
  if (status !== undefined) return;
  // A transaction pooler such as PgBouncer may change the connection between two statements, by chance.
  for (let attempt = 0; attempt < 3; attempt++) {
    const seen = await probe(client).catch((error: unknown) => {
      throw codeOf(error) === failedTransaction ? inTransaction(resource) : error;
    });
    if (seen.transaction) throw inTransaction(resource);
    if (seen.session) return;
  }
  throw pool();
}

/** What newer versions of `pg` know without asking: I, T or E. Before its first statement, a client is in no transaction. */
function transactionStatus(client: SqlClient & { getTransactionStatus?: () => unknown }): unknown {
  return typeof client.getTransactionStatus === 'function' ? (client.getTransactionStatus() ?? 'I') : undefined;
}

/** Whether the statements share a session, and whether they share a transaction, which keeps a local setting. */
async function probe(client: SqlClient): Promise<{ readonly session: boolean; readonly transaction: boolean }> {
  const marker = crypto.randomUUID();
  const [, seen] = await Promise.all([
    client.query("SELECT set_config('holdfast.connection', $1, false), set_config('holdfast.transaction', $1, true)", [
      marker,
    ]),
    client.query(
      "SELECT 1 FROM (VALUES ('holdfast.connection'), ('holdfast.transaction')) AS s (name) WHERE current_setting(name, true) = $1",
      [marker],
    ),
  ]);
  const rows = rowsOf(seen, 2);
  return { session: rows > 0, transaction: rows > 1 };
}

/** The number of rows, which some drivers return as a string or a BigInt. Never guesses: 0 rows of the fence means "overtaken". */
export function rowsOf({ rowCount }: { readonly rowCount: unknown }, most = 1): number {
  const rows = typeof rowCount === 'string' || typeof rowCount === 'bigint' ? Number(rowCount) : rowCount;
  if (typeof rows === 'number' && Number.isInteger(rows) && rows >= 0 && rows <= most) return rows;
  throw new TypeError(
    `The SQL client returned rowCount: ${String(rowCount)} for a statement that affects at most ${most === 1 ? 'one row' : `${most} rows`}. A fenced write needs a client that returns the number of rows, as \`pg\` does.`,
  );
}

/** The code of PostgreSQL for a statement in a transaction that has failed. */
export const failedTransaction = '25P02';

export const codeOf = (error: unknown): unknown => (error as { code?: unknown } | null | undefined)?.code;

function pool(): TypeError {
  return new TypeError(
    'A fenced write needs one connection: the client of pool.connect(), not the pool. Nothing was written.',
  );
}

export function inTransaction(resource: string): TypeError {
  return new TypeError(
    `The fenced write of ${resource} needs a connection of its own that is in no transaction: this client is already in one. In a transaction of your own, use sqlFenceStatement.`,
  );
}
