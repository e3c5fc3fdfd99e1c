import { type PostgresServer, startPostgres } from '@holdfast/testbed';
import { Client, Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type FencingToken,
  fencedSqlWrite,
  sqlFenceCheckStatement,
  sqlFenceStatement,
  sqlFenceTable,
} from '../src/index.ts';
import { guardRules } from './guard-rules.ts';

let server: PostgresServer;
let pool: Pool;
beforeAll(async () => {
  server = await startPostgres();
  pool = new Pool({ connectionString: server.url, max: 70 });
  await pool.query(sqlFenceTable);
  await pool.query(sqlFenceTable);
  await pool.query('CREATE TABLE log (at bigserial, resource text, line text)');
  await pool.query('CREATE TABLE stock (id text PRIMARY KEY, left_over int NOT NULL, fence bigint NOT NULL DEFAULT 0)');
});
afterAll(async () => {
  await pool?.end();
  await server?.stop();
});

async function append(resource: string, token: FencingToken, line: string): Promise<boolean> {
  const client = await pool.connect();
  try {
    return await fencedSqlWrite(client, resource, token, () =>
      client.query('INSERT INTO log (resource, line) VALUES ($1, $2)', [resource, line]),
    );
  } finally {
    client.release();
  }
}

const log = async (resource: string): Promise<string[]> =>
  (await pool.query('SELECT line FROM log WHERE resource = $1 ORDER BY at', [resource])).rows.map((row) => row.line);

const check = async (resource: string, token: FencingToken): Promise<boolean> =>
  (await pool.query(sqlFenceCheckStatement, [resource, token])).rowCount === 1;

describe('PostgreSQL', () =>
  guardRules(() => ({ append: (_, ...write) => append(...write), check: (_, ...look) => check(...look), log })));

describe('a fenced write to PostgreSQL', () => {
  it('holds back a later writer until it has committed: the fence is locked to the end', async () => {
    const order: string[] = [];
    const client = await pool.connect();
    let late: Promise<boolean> | undefined;
    await fencedSqlWrite(client, 'ordered', 1n, async () => {
      late = append('ordered', 2n, 'second');
      late.then(() => order.push('second')).catch(() => {});
      // Until the server itself says that the other waits for our lock.
      await expect
        .poll(async () => (await pool.query('SELECT 1 FROM pg_locks WHERE NOT granted')).rowCount, { timeout: 20_000 })
        .toBe(1);
      await client.query("INSERT INTO log (resource, line) VALUES ('ordered', 'first')");
      order.push('first');
    });
    client.release();
    expect(await late).toBe(true);
    expect(order).toEqual(['first', 'second']);
    expect(await log('ordered')).toEqual(['first', 'second']);
  });

  it('rolls back the token too when the write fails, and gives its error', async () => {
    const client = await pool.connect();
    const failing = fencedSqlWrite(client, 'failing', 8n, async () => {
      await client.query("INSERT INTO log (resource, line) VALUES ('failing', 'half')");
      throw new Error('out of paper');
    });
    await expect(failing).rejects.toThrow('out of paper');
    client.release();
    expect(await log('failing')).toEqual([]);
    expect(await append('failing', 7n, 'another')).toBe(true);
  });

  it('does not take for written what the server rolled back because an error was hidden', async () => {
    const client = await pool.connect();
    const hidden = fencedSqlWrite(client, 'hidden', 1n, async () => {
      await client.query('SELECT nothing FROM nowhere').catch(() => {});
    });
    await expect(hidden).rejects.toThrow(/rolled back/);
    client.release();
  });

  it('refuses a pool, whose statements are no transaction', async () => {
    await expect(fencedSqlWrite(pool, 'pool', 1n, async () => {})).rejects.toThrow(/pool\.connect\(\)/);
  });

  it('works as a statement in a transaction of one’s own', async () => {
    const client = new Client({ connectionString: server.url });
    await client.connect();
    await client.query('BEGIN');
    expect((await client.query(sqlFenceStatement, ['own', '5'])).rowCount).toBe(1);
    expect((await client.query(sqlFenceStatement, ['own', '5'])).rowCount).toBe(1);
    expect((await client.query(sqlFenceStatement, ['own', '4'])).rowCount).toBe(0);
    await client.query('COMMIT');
    await client.end();
  });

  it('needs no table of its own where the row has a column for the token', async () => {
    await pool.query("INSERT INTO stock (id, left_over) VALUES ('book', 9)");
    const write = async (left: number, token: bigint) => {
      const sql = 'UPDATE stock SET left_over = $1, fence = $2 WHERE id = $3 AND fence <= $2';
      return (await pool.query(sql, [left, String(token), 'book'])).rowCount === 1;
    };
    // 60 at once: the row that stands has the highest token, and its own number.
    const taken = await Promise.all(Array.from({ length: 60 }, (_, i) => write(i, BigInt(((i * 37) % 60) + 1))));
    expect(taken).toContain(true);
    const { rows } = await pool.query('SELECT left_over, fence::int FROM stock');
    expect(rows).toEqual([
      { left_over: Array.from({ length: 60 }, (_, i) => i).find((i) => (i * 37) % 60 === 59), fence: 60 },
    ]);
    expect(await write(0, 59n)).toBe(false);
  });
});
