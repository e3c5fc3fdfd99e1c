import { setTimeout as sleep } from 'node:timers/promises';
import { createLockSchema, postgresAdapter } from '@holdfast/adapter-postgres';
import pg from 'pg';
import { locksSubject } from './locks.ts';
import type { Subject } from './subject.ts';

const pollMs = 10;
/** As many as the adapter has by default. */
const connections = 10;
const leaseMs = 30_000;

export const postgresUrl = (port: number): string => `postgres://postgres@127.0.0.1:${port}/postgres`;

/** Holdfast with connections of its own, as an application would have it; the tables are made before. */
export async function postgresSubject(port: number): Promise<Subject> {
  const url = postgresUrl(port);
  await createLockSchema({ url, callTimeoutMs: 20_000 });
  return locksSubject(postgresAdapter({ url, maxConnections: connections }));
}

const table = `DO $$ BEGIN
  PERFORM pg_advisory_xact_lock(1);
  CREATE TABLE IF NOT EXISTS raw_lock (key text PRIMARY KEY, owner text NOT NULL, expires_at timestamptz NOT NULL);
END $$`;
const takeSql = `INSERT INTO raw_lock VALUES ($1, $2, now() + $3 * interval '1 ms') ON CONFLICT (key) DO NOTHING`;
const releaseSql = 'DELETE FROM raw_lock WHERE key = $1 AND owner = $2';

/**
 * The two smallest statements that make a lock, written by hand and prepared. The lock of a crashed process is never freed, and there
 * is no token. A waiter asks again every 10 ms.
 */
export async function rawPostgresSubject(port: number): Promise<Subject> {
  const pool = newPool(port);
  await pool.query(table);
  let count = 0;
  const newOwner = (): string => {
    count += 1;
    return `${process.pid}-${count}`;
  };
  const send = async (name: string, text: string, values: readonly unknown[]): Promise<boolean> =>
    (await pool.query({ name, text, values: [...values] })).rowCount === 1;
  const take = (key: string, owner: string): Promise<boolean> => send('take', takeSql, [key, owner, leaseMs]);
  const release = async (key: string, owner: string): Promise<void> => {
    if (!(await send('release', releaseSql, [key, owner]))) throw new Error(`The key ${key} was lost.`);
  };
  return {
    async cycle(key) {
      const owner = newOwner();
      if (!(await take(key, owner))) throw new Error(`The key ${key} was not free.`);
      await release(key, owner);
    },
    waiter: async (key) => async () => {
      const owner = newOwner();
      while (!(await take(key, owner))) await sleep(pollMs);
      return { release: () => release(key, owner) };
    },
    close: () => pool.end(),
  };
}

/**
 * The locks that PostgreSQL has itself, on the same number of connections: each waiter keeps one for as long as it waits and holds. `loop`
 * asks again every 10 ms; `transaction` lets the server queue it.
 */
export async function advisorySubject(port: number, how: 'loop' | 'transaction'): Promise<Subject> {
  const pool = newPool(port);
  const on = async (client: pg.PoolClient, name: string, text: string, key?: string): Promise<pg.QueryResult> =>
    client.query({ name, text, values: key === undefined ? [] : [key] });
  const ways = {
    async loop(client: pg.PoolClient, key: string) {
      const ask = 'SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS taken';
      while (!(await on(client, 'try', ask, key)).rows[0].taken) await sleep(pollMs);
      return () => on(client, 'unlock', 'SELECT pg_advisory_unlock(hashtextextended($1, 0))', key);
    },
    async transaction(client: pg.PoolClient, key: string) {
      await on(client, 'begin', 'BEGIN');
      await on(client, 'lock', 'SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', key);
      return () => on(client, 'commit', 'COMMIT');
    },
  };
  const take = async (key: string): Promise<{ release(): Promise<void> }> => {
    const client = await pool.connect();
    const unlock = await ways[how](client, key);
    return {
      async release() {
        await unlock();
        client.release();
      },
    };
  };
  return {
    async cycle(key) {
      const { release } = await take(key);
      await release();
    },
    waiter: async (key) => () => take(key),
    close: () => pool.end(),
  };
}

function newPool(port: number): pg.Pool {
  const pool = new pg.Pool({ connectionString: postgresUrl(port), max: connections });
  pool.on('error', () => {}); // the next statement says so
  return pool;
}
