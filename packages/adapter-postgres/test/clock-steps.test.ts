import { type PostgresServer, startPostgres } from '@holdfast/testbed';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { lockSchemaSql, type PostgresLockAdapter, postgresAdapter } from '../src/index.ts';
import { attempt, eventually, grant, newName, session } from './support.ts';

// What docs/postgres.md says of a clock of the server that is set. Not the clock is, but what the shipped statements read of it.

let server: PostgresServer;
const closing: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  server = await startPostgres();
  await server.query(`CREATE TABLE step (ahead interval); INSERT INTO step VALUES ('0');
    CREATE FUNCTION clock() RETURNS timestamptz LANGUAGE sql AS 'SELECT clock_timestamp() + ahead FROM public.step';
    CREATE FUNCTION begun() RETURNS timestamptz LANGUAGE sql AS 'SELECT statement_timestamp() + ahead FROM public.step'`);
  await server.query(stepped(lockSchemaSql()));
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});
afterAll(() => server?.stop());

const stepped = (text: string): string =>
  text.replaceAll('clock_timestamp()', 'public.clock()').replaceAll('statement_timestamp()', 'public.begun()');
const setClock = (by: string) => server.query(`UPDATE step SET ahead = ahead + '${by}'`);

/** An adapter whose statements read the clock of the test, those of the usual cases too. */
async function open(): Promise<PostgresLockAdapter> {
  const client = await session(server);
  const query = client.query.bind(client) as (config: string | pg.QueryConfig) => Promise<pg.QueryResult>;
  const read = (config: string | pg.QueryConfig) =>
    query(typeof config === 'string' ? config : { ...config, text: stepped(config.text) });
  const adapter = postgresAdapter({ client: Object.assign(client, { query: read }), callTimeoutMs: 20_000 });
  closing.push(
    async () => adapter.close?.(),
    () => client.end(),
  );
  return adapter;
}

async function join(adapter: PostgresLockAdapter, key: string) {
  let isQueued = false;
  const asked = attempt(key, {
    onQueued: () => {
      isQueued = true;
    },
  });
  const granted = adapter.enqueue!(asked, new AbortController().signal);
  granted.catch(() => {});
  await eventually('it is queued', () => isQueued);
  return { asked, granted };
}

it('set forward, it ends leases: a waiter is granted the key with a higher token, and the old holder finds it lost', async () => {
  const [one, two] = [await open(), await open()];
  const held = attempt(newName());
  const { fencingToken } = await grant(one, held);
  const { asked, granted } = await join(two, held.key);
  await setClock('1 hour');
  expect((await granted).fencingToken).toBeGreaterThan(fencingToken!);
  expect(await one.renew(held, 60_000)).toEqual({ status: 'lost' });
  await using client = await session(server);
  await client.query('BEGIN');
  await expect(one.assertIn(held, client)).rejects.toMatchObject({ code: 'LOCK_LOST' });
  await client.query('ROLLBACK');
  expect(await one.release(held)).toBe('not-held');
  expect(await two.renew(asked, 60_000)).toMatchObject({ status: 'renewed' });
  expect(await two.release(asked)).toBe('released');
});

it('set forward, it takes nothing from a transaction that has pinned its hold', async () => {
  const [one, two] = [await open(), await open()];
  await using client = await session(server);
  const held = attempt(newName());
  await grant(one, held);
  await client.query('BEGIN');
  await one.assertIn(held, client);
  await setClock('1 hour');
  expect(await two.tryAcquire(attempt(held.key))).toMatchObject({ status: 'busy' });
  await client.query('COMMIT');
  await grant(two, attempt(held.key));
});

it('set back, it changes nothing for those who live', async () => {
  const [one, two] = [await open(), await open()];
  const held = attempt(newName());
  const { fencingToken } = await grant(one, held);
  const { asked, granted } = await join(two, held.key);
  await setClock('-1 hour');
  expect(await one.renew(held, 60_000)).toMatchObject({ status: 'renewed' });
  const { remainingMs } = (await two.inspect?.(held.key))!;
  expect(remainingMs).toBeLessThanOrEqual(60_000);
  expect(await one.release(held)).toBe('released');
  expect((await granted).fencingToken).toBeGreaterThan(fencingToken!);
  expect(await two.release(asked)).toBe('released');
});

it('set back, it keeps the key of a crashed holder as much longer, until that is released by force', async () => {
  const [one, two] = [await open(), await open()];
  const crashed = attempt(newName(), { ttlMs: 200 });
  await grant(one, crashed);
  await setClock('-1 hour');
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(await two.tryAcquire(attempt(crashed.key))).toMatchObject({ status: 'busy' });
  expect(await two.forceRelease?.(crashed.key)).toBe(true);
  await grant(two, attempt(crashed.key));
});

it('set back, dead waiters cost one reservation each', async () => {
  const [one, two] = [await open(), await open()];
  const held = attempt(newName());
  await grant(one, held);
  const hex = Buffer.from(held.key).toString('hex');
  for (const dead of ['01', '02']) {
    await server.query(`SELECT holdfast.ask($1, $2, $3, $3, 250, 1, 5000, '')`, [hex, dead, String(2n ** 62n)]);
  }
  const { granted } = await join(two, held.key);
  await setClock('-1 hour');
  const releasedAt = performance.now();
  await one.release(held);
  await granted;
  expect(performance.now() - releasedAt).toBeGreaterThanOrEqual(499);
});
