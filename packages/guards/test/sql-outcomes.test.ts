import { type PostgresServer, startPostgres } from '@holdfast/testbed';
import { Client, Pool } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fencedSqlWrite, type SqlClient, sqlFenceTable } from '../src/index.ts';

let server: PostgresServer;
let pool: Pool;
let client: Client;
beforeAll(async () => {
  server = await startPostgres();
  pool = new Pool({ connectionString: server.url });
  await pool.query(sqlFenceTable);
  await pool.query('CREATE TABLE payment (invoice int PRIMARY KEY)');
});
afterAll(async () => {
  await pool?.end();
  await server?.stop();
});
beforeEach(async () => {
  client = new Client({ connectionString: server.url });
  await client.connect();
  await pool.query('TRUNCATE payment, holdfast_fence');
});
afterEach(() => client.end());

const rows = async (): Promise<number> => (await pool.query('SELECT FROM payment')).rowCount!;
const fence = async (): Promise<string | undefined> =>
  (await pool.query('SELECT token::text FROM holdfast_fence')).rows[0]?.token;
const pay = (by: { query(text: string): Promise<unknown> }, invoice = 1) =>
  by.query(`INSERT INTO payment VALUES (${invoice})`);

/** The shapes that results have in different drivers and wrappers. */
const shapes: Record<string, (client: Client) => SqlClient> = {
  'pg itself': (inner) => inner,
  'a wrapper without `command`': (inner) => ({
    query: async (text, values) => ({ rowCount: (await inner.query(text, values)).rowCount }),
  }),
  'a wrapper with rowCount as text': (inner) => ({
    query: async (text, values) => ({ rowCount: String((await inner.query(text, values)).rowCount) }),
  }),
  'a wrapper with rowCount as BigInt': (inner) => ({
    query: async (text, values) => ({ rowCount: BigInt((await inner.query(text, values)).rowCount ?? 0) }),
  }),
  'a Proxy': (inner) => new Proxy(inner, {}),
  'an older pg': (inner) => {
    const old = Object.create(inner) as Client;
    Object.assign(old, { getTransactionStatus: undefined, query: inner.query.bind(inner) });
    return old;
  },
};

describe.each(Object.entries(shapes))('a fenced write to PostgreSQL through %s', (_, wrap) => {
  it('answers true for what is committed and false for what a higher token forbids', async () => {
    const thin = wrap(client);
    expect(await fencedSqlWrite(thin, 'r', 7n, () => pay(client, 1))).toBe(true);
    expect(await fencedSqlWrite(thin, 'r', 6n, () => pay(client, 2))).toBe(false);
    expect(await fencedSqlWrite(thin, 'r', 7n, () => pay(client, 3))).toBe(true);
    expect([await rows(), await fence()]).toEqual([2, '7']);
  });

  it('rejects when a statement failed and `write` hid it', async () => {
    const hidden = fencedSqlWrite(wrap(client), 'r', 7n, async () => {
      await pay(client);
      await pay(client).catch(() => {});
    });
    await expect(hidden).rejects.toThrow(/rolled back: a statement in it failed/);
    expect([await rows(), await fence()]).toEqual([0, undefined]);
  });

  it.each(['ROLLBACK', 'COMMIT', 'ROLLBACK; BEGIN', 'COMMIT; BEGIN', 'BEGIN; COMMIT'])(
    'rejects when `write` sends %s',
    async (statement) => {
      const ended = fencedSqlWrite(wrap(client), 'r', 7n, async () => {
        await client.query(statement);
        await pay(client);
      });
      await expect(ended).rejects.toThrow(/ended before its COMMIT/);
    },
  );

  it('rejects when the transaction of another task on the same connection ends this one', async () => {
    const mixed = fencedSqlWrite(wrap(client), 'r', 7n, async () => {
      await pay(client);
      // Not awaited: it is in the queue of the client before the COMMIT of the guard.
      void client.query('ROLLBACK');
    });
    await expect(mixed).rejects.toThrow(/ended before its COMMIT/);
    expect(await rows()).toBe(0);
  });

  it('allows savepoints, also after a failed statement', async () => {
    const written = fencedSqlWrite(wrap(client), 'r', 7n, async () => {
      await pay(client);
      await client.query('SAVEPOINT again');
      await pay(client).catch(() => client.query('ROLLBACK TO again'));
    });
    expect(await written).toBe(true);
    expect(await rows()).toBe(1);
  });

  it('rejects with a deferred constraint that COMMIT refuses', async () => {
    await pool.query('CREATE TABLE IF NOT EXISTS line (invoice int REFERENCES payment DEFERRABLE INITIALLY DEFERRED)');
    const refused = fencedSqlWrite(wrap(client), 'r', 7n, () => client.query('INSERT INTO line VALUES (9)'));
    await expect(refused).rejects.toMatchObject({ code: '23503' });
    await pool.query('DROP TABLE line');
    expect(await fence()).toBeUndefined();
  });

  it.each(['SELECT 1', 'SELECT nothing', 'SAVEPOINT here'])(
    'refuses a connection in a transaction that began with %s, and leaves it to the caller',
    async (statement) => {
      await client.query('BEGIN');
      await client.query(statement).catch(() => {});
      const refused = fencedSqlWrite(wrap(client), 'r', 7n, () => pay(client));
      await expect(refused).rejects.toThrow(/in no transaction/);
      await pay(client).catch(() => {});
      await client.query('ROLLBACK');
      expect([await rows(), await fence()]).toEqual([0, undefined]);
    },
  );

  it('refuses a connection that is in a transaction with writes, which stays as it is', async () => {
    await client.query('BEGIN');
    await pay(client, 1);
    await expect(fencedSqlWrite(wrap(client), 'r', 7n, () => pay(client, 2))).rejects.toThrow(/in no transaction/);
    await client.query('COMMIT');
    expect([await rows(), await fence()]).toEqual([1, undefined]);
  });

  it('refuses a fenced write inside another, and rolls the outer one back', async () => {
    const thin = wrap(client);
    for (const inner of [thin, wrap(client)]) {
      const nested = fencedSqlWrite(thin, 'r', 7n, async () => {
        await pay(client);
        await fencedSqlWrite(inner, 'other', 1n, () => pay(client, 2));
      });
      await expect(nested).rejects.toThrow(/in no transaction/);
      expect([await rows(), await fence()]).toEqual([0, undefined]);
    }
  });

  it('rejects with the serialization failure of a concurrent change', async () => {
    await fencedSqlWrite(client, 'r', 1n, () => pay(client));
    await client.query('SET default_transaction_isolation = serializable');
    const failing = fencedSqlWrite(wrap(client), 'r', 2n, async () => {
      await client.query('SELECT FROM payment');
      await pool.query('UPDATE payment SET invoice = 5');
      await client.query('UPDATE payment SET invoice = 6').catch(() => {});
    });
    await expect(failing).rejects.toThrow(/rolled back/);
    expect(await fence()).toBe('1');
  });
});

describe('a fenced write to PostgreSQL', () => {
  it('rejects when the answer to COMMIT is lost: the write may have happened', async () => {
    const losing: SqlClient = {
      query: async (text, values) => {
        const result = await client.query(text, values);
        if (text.includes('COMMIT')) throw new Error('Connection terminated unexpectedly');
        return result;
      },
    };
    await expect(fencedSqlWrite(losing, 'r', 7n, () => pay(client))).rejects.toThrow('terminated unexpectedly');
    expect(await rows()).toBe(1);
    expect(await fencedSqlWrite(client, 'r', 7n, async () => {})).toBe(true);
  });

  it('rejects when the connection ends during the write, and nothing is written', async () => {
    client.on('error', () => {});
    const { rows: pids } = await client.query('SELECT pg_backend_pid() AS pid');
    const cut = fencedSqlWrite(client, 'r', 7n, async () => {
      await pay(client);
      await pool.query('SELECT pg_terminate_backend($1)', [pids[0].pid]);
      await pay(client, 2).catch(() => {});
    });
    await expect(cut).rejects.toThrow();
    expect([await rows(), await fence()]).toEqual([0, undefined]);
  });

  it.each<[string, (pool: Pool) => SqlClient]>([
    ['itself', (inner) => inner],
    ['in a Proxy', (inner) => new Proxy(inner, {})],
    ['of a subclass', () => new (class Traced extends Pool {})({ connectionString: server.url })],
    ['in an object', (inner) => ({ query: (text, values) => inner.query(text, values) })],
    [
      'in an instrumented object',
      (inner) => ({ query: async (text: string, values?: unknown[]) => await inner.query(text, values), connect() {} }),
    ],
  ])('refuses a pool %s, and writes nothing', async (_, wrap) => {
    const wrapped = wrap(pool);
    await expect(fencedSqlWrite(wrapped, 'r', 1n, () => pay(pool))).rejects.toThrow(/pool\.connect\(\)/);
    expect([await rows(), await fence()]).toEqual([0, undefined]);
    if (wrapped instanceof Pool && wrapped !== pool && !Object.is(wrapped.options, pool.options)) await wrapped.end();
    const open = await pool.query("SELECT FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'");
    expect(open.rowCount).toBe(0);
  });

  it('refuses a pool whose other connections were in use when it was first passed', async () => {
    const few = new Pool({ connectionString: server.url, max: 2 });
    const wrapped: SqlClient = { query: (text, values) => few.query(text, values) };
    const lent = await few.connect();
    await fencedSqlWrite(wrapped, 'r', 1n, async () => {});
    lent.release();
    await expect(fencedSqlWrite(wrapped, 'r', 2n, () => pay(few))).rejects.toThrow(/pool\.connect\(\)/);
    await few.end();
    expect(await rows()).toBe(0);
  });

  it('never takes an error that the client returned as a result for an outcome', async () => {
    const quiet: SqlClient = {
      query: (text, values) => client.query(text, values).catch(() => ({ rowCount: 0 })),
    };
    const failed = fencedSqlWrite(quiet, 'r', 7n, async () => {
      await pay(client);
      await pay(client).catch(() => {});
    });
    await expect(failed).rejects.toThrow(/instead of rejecting/);
    expect([await rows(), await fence()]).toEqual([0, undefined]);
    await pool.query("INSERT INTO holdfast_fence VALUES ('r', -5)");
    await expect(fencedSqlWrite(quiet, 'r', 7n, () => pay(client))).rejects.toThrow(/instead of rejecting/);
  });

  it('takes the client that a pool lends', async () => {
    const lent = await pool.connect();
    try {
      expect(await fencedSqlWrite(lent, 'r', 1n, () => pay(lent))).toBe(true);
    } finally {
      lent.release();
    }
  });

  it('refuses a client that returns no row count: without one it could not tell "overtaken"', async () => {
    const rowless = {
      query: async (text: string, values?: unknown[]) => ({ rows: (await client.query(text, values)).rows }),
    };
    await expect(fencedSqlWrite(rowless as never, 'r', 1n, () => pay(client))).rejects.toThrow(/rowCount: undefined/);
    expect((await client.query('SELECT txid_current_if_assigned() AS id')).rows).toEqual([{ id: null }]);
    expect([await rows(), await fence()]).toEqual([0, undefined]);
  });

  it.each([
    ['NULL', 'bigint'],
    ['-5', 'bigint'],
    ["'abc'", 'text'],
    ["'5'", 'text'],
    ['5', 'double precision'],
    ['5', 'numeric'],
  ])('rejects on a fence that holds %s in a column of type %s', async (value, type) => {
    await pool.query(`ALTER TABLE holdfast_fence RENAME TO kept;
      CREATE TABLE holdfast_fence (resource text PRIMARY KEY, token ${type});
      INSERT INTO holdfast_fence VALUES ('r', ${value})`);
    try {
      for (const token of [1n, 9n]) {
        await expect(fencedSqlWrite(client, 'r', token, () => pay(client))).rejects.toThrow();
      }
      expect(await rows()).toBe(0);
    } finally {
      await pool.query('DROP TABLE holdfast_fence; ALTER TABLE kept RENAME TO holdfast_fence');
    }
  });
});
