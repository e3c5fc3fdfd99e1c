/** One connection of `pg`, or anything else that runs statements on one connection and returns the number of rows. */
export interface SqlClient {
  query(text: string, values?: unknown[]): Promise<{ rowCount: number | string | bigint | null }>;
}

const known = new WeakSet<SqlClient>();

const isPool = (client: object): boolean =>
  ['totalCount', 'idleCount', 'waitingCount'].some((name) => (client as Record<string, unknown>)[name] !== undefined);

const isPgClient = (client: object): boolean => 'processID' in client || 'native' in client;

/**
 * Refuses a pool: each statement would run on any connection of it, which is no transaction and no guard.
 *
 * A wrapper shows nothing of what is behind it. So two statements are sent at once: one connection runs them in turn, and the
 * second sees what the first one set; a pool runs them on two connections. A pool of one connection cannot be told from one
 * connection.
 */
export async function assertOneConnection(client: SqlClient): Promise<void> {
  if (isPool(client)) throw pool();
  if (isPgClient(client) || known.has(client)) return;
  // A transaction pooler such as PgBouncer may change the connection between two statements, by chance.
  for (let attempt = 0; attempt < 3; attempt++) {
    if (await sharesSession(client)) {
      known.add(client);
      return;
    }
  }
  throw pool();
}

async function sharesSession(client: SqlClient): Promise<boolean> {
  const marker = crypto.randomUUID();
  const [, seen] = await Promise.all([
    client.query("SELECT set_config('holdfast.connection', $1, false)", [marker]),
    client.query("SELECT 1 WHERE current_setting('holdfast.connection', true) = $1", [marker]),
  ]);
  return rowsOf(seen) === 1;
}

/** The number of rows, which some drivers return as a string or a BigInt. Never guesses: 0 rows of the fence means "overtaken". */
export function rowsOf({ rowCount }: { readonly rowCount: unknown }): number {
  const rows = typeof rowCount === 'string' || typeof rowCount === 'bigint' ? Number(rowCount) : rowCount;
  if (rows === 0 || rows === 1) return rows;
  throw new TypeError(
    `The SQL client returned rowCount: ${String(rowCount)} for a statement that affects at most one row. A fenced write needs a client that returns the number of rows, as \`pg\` does.`,
  );
}

function pool(): TypeError {
  return new TypeError(
    'A fenced write needs one connection: the client of pool.connect(), not the pool. Nothing was written.',
  );
}
