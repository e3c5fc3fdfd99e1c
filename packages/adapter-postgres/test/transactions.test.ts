import type { AcquireAttempt } from '@holdfast/lock-core';
import { type PostgresServer, startPostgres } from '@holdfast/testbed';
import createKnex from 'knex';
import pg from 'pg';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createLockSchema, type PostgresLockAdapter, postgresAdapter } from '../src/index.ts';
import { attempt, eventually, grant, newName, session } from './support.ts';

// What `assertIn` promises in every kind of transaction.

let server: PostgresServer;
let adapter: PostgresLockAdapter;
let other: PostgresLockAdapter;
beforeAll(async () => {
  server = await startPostgres({ settings: { max_prepared_transactions: '5' } });
  await createLockSchema({ url: server.url });
  adapter = postgresAdapter({ url: server.url, callTimeoutMs: 20_000 });
  other = postgresAdapter({ url: server.url, callTimeoutMs: 20_000 });
});
afterAll(async () => {
  await adapter?.close?.();
  await other?.close?.();
  await server?.stop();
});

const claims: [string, Partial<AcquireAttempt>][] = [
  ['exclusive', {}],
  ['shared', { claim: { mode: 'shared' } }],
  ['permits', { claim: { mode: 'permits', permits: 2, limit: 3 } }],
];
const isFree = async ({ key, claim }: AcquireAttempt): Promise<boolean> => {
  // A reader would be let in beside a reader: whoever writes must not.
  const asked = attempt(key, claim?.mode === 'permits' ? { claim } : {});
  const { status } = await other.tryAcquire(asked);
  if (status === 'granted') await other.release(asked);
  return status === 'granted';
};
const leaseEnds = (hold: AcquireAttempt): Promise<void> =>
  eventually('its lease is over', async () => (await other.inspect?.(hold.key)) === undefined);

it.each(claims)('a %s hold stays pinned through PREPARE TRANSACTION, until that is committed', async (mode, more) => {
  await using client = await session(server);
  const hold = attempt(newName(), { ttlMs: 300, ...more });
  await grant(adapter, hold);
  await client.query('BEGIN');
  await adapter.assertIn(hold, client);
  await client.query(`PREPARE TRANSACTION '${mode}'`);
  await leaseEnds(hold);
  expect(await isFree(hold)).toBe(false);
  await server.query(`COMMIT PREPARED '${mode}'`);
  expect(await isFree(hold)).toBe(true);
});

it.each(claims)('a %s hold that is pinned before a savepoint, or released with it, stays pinned', async (_, more) => {
  for (const [before, within, end] of [
    [true, true, 'ROLLBACK TO s'],
    [false, true, 'RELEASE s'],
  ] as const) {
    await using client = await session(server);
    const hold = attempt(newName(), { ttlMs: 300, ...more });
    await grant(adapter, hold);
    await client.query('BEGIN');
    if (before) await adapter.assertIn(hold, client);
    await client.query('SAVEPOINT s');
    if (within) await adapter.assertIn(hold, client);
    await adapter.renew(hold, 200);
    await client.query(end);
    await leaseEnds(hold);
    expect(await isFree(hold)).toBe(false);
    await client.query('COMMIT');
    expect(await isFree(hold)).toBe(true);
  }
});

it.each(claims)('a %s hold is held, although its lease is over in the snapshot of the transaction', async (_, more) => {
  for (const level of ['REPEATABLE READ', 'SERIALIZABLE']) {
    await using client = await session(server);
    const hold = attempt(newName(), { ttlMs: 300, ...more });
    await grant(adapter, hold);
    await client.query(`BEGIN ISOLATION LEVEL ${level}`);
    const { rows } = await client.query(`SELECT clock_timestamp() + interval '300 ms' AS ends`);
    await adapter.renew(hold, 60_000);
    await eventually('the first lease is over', async () => {
      const [row] = await server.query('SELECT clock_timestamp() > $1 AS is_over', [rows[0].ends]);
      return row?.is_over === true;
    });
    await adapter.assertIn(hold, client);
    expect(await adapter.release(hold)).toBe('released');
    expect(await isFree(hold)).toBe(false);
    await client.query('COMMIT');
    expect(await isFree(hold)).toBe(true);
  }
});

it('a hold that the transaction cannot see is told apart from one that is lost, and so is a transaction that has failed', async () => {
  await using client = await session(server);
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  await client.query('SELECT count(*) FROM holdfast.lock');
  const hold = attempt(newName());
  await grant(adapter, hold);
  await expect(adapter.assertIn(hold, client)).rejects.toMatchObject({
    code: 'LOCK_LOST',
    message: expect.stringContaining('after the first statement'),
  });
  await client.query('SELECT 1 / 0').catch(() => {});
  await expect(adapter.assertIn(hold, client)).rejects.toMatchObject({
    code: 'LOCK_BACKEND',
    retryable: false,
    message: expect.stringMatching(/aborted.*roll the transaction back/),
  });
});

it('two transactions that pin the same two locks in opposite orders wait for nobody, and both keep both', async () => {
  await using one = await session(server);
  await using two = await session(server);
  const [a, b] = [attempt(newName()), attempt(newName())];
  for (const hold of [a, b]) await grant(adapter, hold);
  for (const client of [one, two]) await client.query('BEGIN');
  for (const [hold, client] of [
    [a, one],
    [b, two],
    [b, one],
    [a, two],
    [a, one],
  ] as const)
    await adapter.assertIn(hold, client);
  for (const hold of [a, b]) expect(await adapter.release(hold)).toBe('released');
  await one.query('COMMIT');
  expect(await Promise.all([a, b].map(isFree))).toEqual([false, false]);
  await two.query('COMMIT');
  expect(await Promise.all([a, b].map(isFree))).toEqual([true, true]);
});

it('what an application has set for the types of its client, or for its search path, changes nothing', async () => {
  const hold = attempt(newName());
  await grant(adapter, hold);
  const before = pg.types.getTypeParser(25);
  pg.types.setTypeParser(25, (text) => ({ text }) as never);
  try {
    await using client = await session(server);
    await client.query(`CREATE SCHEMA odd;
      CREATE FUNCTION odd.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT 'infinity'::timestamptz $$;
      SET search_path = odd, pg_catalog; BEGIN`);
    await adapter.assertIn(hold, client);
    await client.query('COMMIT');
  } finally {
    pg.types.setTypeParser(25, before);
  }
  const upper = (text: unknown): string => String(text).toUpperCase();
  const sql = postgres(server.url, { max: 1, transform: { column: { from: upper }, value: { from: upper } } });
  await sql.begin((tx) => adapter.assertIn(hold, tx));
  await sql.end();
  const knex = createKnex({ client: 'pg', connection: server.url });
  await knex.transaction((trx) => adapter.assertIn(hold, trx));
  await expect(adapter.assertIn(hold, knex)).rejects.toMatchObject({ code: 'LOCK_INVALID_ARGUMENT' });
  await knex.destroy();
  await adapter.release(hold);
});
