import { Socket } from 'node:net';
import { type PostgresServer, startPostgres } from '@holdfast/testbed';
import pg from 'pg';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { driverOf } from '../src/drivers/clients.ts';
import { sendOver } from '../src/drivers/pg-request.ts';
import { createLockSchema, openFacts, type PostgresLockOptions, postgresAdapter } from '../src/index.ts';
import { settingsOf } from '../src/options.ts';
import { attempt, grant, newName } from './support.ts';

// What an application, and whoever runs the database, may have set around the locks.

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
  await createLockSchema({ url: server.url });
});
afterAll(() => server?.stop());

const timeouts = { callTimeoutMs: 20_000 };

/** Takes, renews, and releases. */
async function cycle(options: PostgresLockOptions): Promise<void> {
  const adapter = postgresAdapter({ ...timeouts, ...options });
  const hold = attempt(newName());
  await grant(adapter, hold);
  expect(await adapter.tryAcquire(attempt(hold.key))).toMatchObject({ status: 'busy' });
  expect(await adapter.renew(hold, 60_000)).toMatchObject({ status: 'renewed' });
  expect(await adapter.release(hold)).toBe('released');
  await adapter.close?.();
}

/** A user with the rights that docs/postgres.md lists, and what else is said. */
async function user(name: string, ...more: string[]): Promise<string> {
  const rights = [
    `GRANT USAGE ON SCHEMA holdfast TO ${name}`,
    `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA holdfast TO ${name}`,
    `GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA holdfast TO ${name}`,
    `GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA holdfast TO ${name}`,
  ];
  await server.query([`CREATE ROLE ${name} LOGIN`, ...rights, ...more].join(';'));
  return server.url.replace('//postgres@', `//${name}@`);
}

it('a right that is missing is named before anything is locked, by the doctor too', async () => {
  await server.query('REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA holdfast FROM public');
  const wanted = Object.entries({
    'USAGE on schema holdfast': 'SCHEMA holdfast',
    ...Object.fromEntries(
      ['lock', 'holder', 'place', 'origin'].flatMap((table) =>
        ['SELECT', 'INSERT', 'UPDATE', 'DELETE'].map((right) => [`${right} on ${table}`, `holdfast.${table}`]),
      ),
    ),
    ...Object.fromEntries(
      ['USAGE', 'SELECT', 'UPDATE'].map((right) => [`${right} on token`, 'SEQUENCE holdfast.token']),
    ),
    'EXECUTE on release': 'FUNCTION holdfast.release(text, text)',
    'EXECUTE on settle': 'FUNCTION holdfast.settle(bytea, bytea)',
  });
  for (const [i, [what, object]] of wanted.entries())
    await user(`lacks_${i}`, `REVOKE ${what.split(' ')[0]} ON ${object} FROM lacks_${i}`);
  await Promise.all(
    wanted.map(async ([what], i) => {
      const name = `lacks_${i}`;
      const url = server.url.replace('//postgres@', `//${name}@`);
      const adapter = postgresAdapter({ url, ...timeouts });
      const key = newName();
      const refused = await adapter.tryAcquire(attempt(key)).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: 'LOCK_BACKEND', retryable: false });
      expect(String(refused)).toMatch(/docs\/postgres\.md/);
      if (!what.includes('schema')) expect(String(refused)).toContain(what);
      await adapter.close?.();
      expect(await server.query('SELECT FROM holdfast.lock')).toEqual([]);
      const facts = openFacts({ host: server.host, port: server.port, username: name, database: 'postgres' }, timeouts);
      expect((await facts.facts()).missingRights).toEqual([what]);
      await facts.close();
    }),
  );
  await cycle({ url: await user('lacks_nothing') });
});

it('a right that is taken away later is noticed: what is held is still released, and nothing is locked that could not be', async () => {
  const adapter = postgresAdapter({ url: await user('fickle'), ...timeouts });
  const [held, next] = [attempt(newName()), attempt(newName())];
  await grant(adapter, held);
  await server.query('REVOKE DELETE ON holdfast.lock FROM fickle');
  await expect(adapter.release(held)).rejects.toMatchObject({ code: 'LOCK_BACKEND', retryable: false });
  for (let i = 0; i < 2; i++) await expect(adapter.tryAcquire(next)).rejects.toThrow(/DELETE on lock/);
  expect(await adapter.inspect?.(next.key)).toBeUndefined();
  expect(await adapter.renew(held, 60_000)).toMatchObject({ status: 'renewed' });
  await server.query('GRANT DELETE ON holdfast.lock TO fickle');
  expect(await adapter.release(held)).toBe('released');
  await grant(adapter, next);
  expect(await adapter.release(next)).toBe('released');
  await adapter.close?.();
});

it('row-level security that hides rows is refused, and tables of others in the schema do not count', async () => {
  const url = await user('tenant', 'CREATE TABLE holdfast.of_the_application (n int)');
  await cycle({ url });
  await server.query('ALTER TABLE holdfast.holder ENABLE ROW LEVEL SECURITY');
  await expect(cycle({ url })).rejects.toMatchObject({
    code: 'LOCK_BACKEND',
    retryable: false,
    message: expect.stringContaining('BYPASSRLS for holder'),
  });
  await server.query('ALTER TABLE holdfast.holder DISABLE ROW LEVEL SECURITY; DROP TABLE holdfast.of_the_application');
});

it('settings of the user change nothing, nor do functions that stand in for those of PostgreSQL', async () => {
  await server.query(`CREATE SCHEMA app;
    CREATE FUNCTION app.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT 'infinity'::timestamptz $$;
    GRANT USAGE ON SCHEMA app TO public`);
  const settings = {
    ...{ search_path: 'app, pg_catalog', lock_timeout: '1', statement_timeout: '1', bytea_output: 'escape' },
    ...{ DateStyle: "'SQL, DMY'", IntervalStyle: 'sql_standard', TimeZone: "'Asia/Kathmandu'", array_nulls: 'off' },
    ...{
      jit: 'on',
      jit_above_cost: '0',
      extra_float_digits: '-15',
      standard_conforming_strings: 'off',
      default_transaction_isolation: 'serializable',
    },
  };
  const changes = Object.entries(settings).map(([name, value]) => `ALTER ROLE odd SET ${name} = ${value}`);
  const url = await user('odd', ...changes, 'ALTER ROLE odd SUPERUSER');
  await cycle({ url });
  await createLockSchema({ url, schema: 'made_by_odd', ...timeouts });
  await cycle({ url, schema: 'made_by_odd' });
  // To compile what is planned without scans took 60 ms for each shared lock.
  const { driver } = settingsOf({ url, ...timeouts });
  expect(await driver.answer({ name: '', text: `SELECT current_setting('jit') AS answer` }, [])).toBe('off');
  await driver.close();
});

it('schemas with the longest names have statements of their own on one connection', async () => {
  const client = new pg.Client(server.url);
  await client.connect();
  for (const schema of ['s'.repeat(63), `${'s'.repeat(62)}t`, 'ü'.repeat(31)]) {
    await createLockSchema({ url: server.url, schema, ...timeouts });
    await cycle({ url: server.url, schema, maxConnections: 1 });
    await cycle({ client, schema });
  }
  await client.end();
});

it('the view shows every key in a database with another encoding', async () => {
  await server.query(`CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0`);
  const url = server.url.replace(/postgres$/, 'latin');
  const adapter = postgresAdapter({ url, createSchema: true, ...timeouts });
  await grant(adapter, attempt('日本'));
  await adapter.close?.();
  const client = new pg.Client(url);
  await client.connect();
  expect((await client.query('SELECT key FROM holdfast.held')).rows).toHaveLength(1);
  await client.end();
});

it('what an application has set for the types of its client changes no answer', async () => {
  const before = pg.types.getTypeParser(25);
  pg.types.setTypeParser(25, (text) => ({ text }) as never);
  try {
    await cycle({ url: server.url });
    const client = new pg.Client(server.url);
    await client.connect();
    await cycle({ client });
    await client.end();
  } finally {
    pg.types.setTypeParser(25, before);
  }
  const upper = (text: unknown): string => String(text).toUpperCase();
  const sql = postgres(server.url, {
    transform: { column: { from: upper }, value: { from: upper } },
    types: { text: { to: 25, from: [25], serialize: String, parse: (text: string) => ({ text }) } },
  });
  await cycle({ client: sql });
  await sql.end();
});

it('a pool that makes its connections in its own way is followed', async () => {
  const stream = (given?: object): Socket => {
    expect(given).toHaveProperty('ssl');
    const socket = new Socket();
    const connect = socket.connect.bind(socket) as (port: number, host: string) => Socket;
    return Object.assign(socket, { connect: () => connect(server.port, server.host) });
  };
  const pool = new pg.Pool({ host: 'nowhere.invalid', user: 'postgres', database: 'postgres', stream });
  await cycle({ client: pool });
  await pool.end();
});

it('a pool that pipelines, answers in binary or is of pg-native gives the same answers', async () => {
  for (const options of [{ pipeline: true }, { binary: true }]) {
    const pool = new pg.Pool({ connectionString: server.url, ...options });
    await cycle({ client: pool });
    await pool.end();
  }
  // That of pg-native has no connection that could be written to.
  const native = { query: async ({ name }: { name?: string }) => ({ rows: [], rowCount: 1, name }) } as never;
  expect(await sendOver(native, { name: 'end', text: '', changed: 'released' }, true, [])).toBe('released');
});

it('a client of pg that breaks is not listened to over and over, and after close nothing stays on one', async () => {
  const client = new pg.Client(server.url);
  client.on('error', () => {});
  await client.connect();
  const driver = driverOf(client, { maxConnections: 1, pooler: false, ...timeouts });
  const hears = { onMessage: () => {}, onLost: () => {} };
  await driver.listen?.('heard', hears);
  await driver.listen?.('heard', hears);
  expect([client.listenerCount('notification'), client.listenerCount('end')]).toEqual([1, 1]);
  await driver.close();
  expect([client.listenerCount('notification'), client.listenerCount('end')]).toEqual([0, 0]);
  expect((await client.query('SELECT pg_listening_channels()')).rows).toEqual([]);
  await client.end();
});

it('a client of pg on which the application has begun a transaction is refused', async () => {
  const client = new pg.Client(server.url);
  await client.connect();
  const adapter = postgresAdapter({ client, ...timeouts });
  await client.query('BEGIN');
  await expect(adapter.tryAcquire(attempt(newName()))).rejects.toMatchObject({
    code: 'LOCK_INVALID_ARGUMENT',
    message: expect.stringContaining('in a transaction'),
  });
  await client.query('ROLLBACK');
  await adapter.close?.();
  await cycle({ client });
  await client.end();
});

it('postgres.js, which listens again by itself, is asked once', async () => {
  let asked = 0;
  const told: ((payload: string) => void)[] = [];
  const listen = async (_: string, onMessage: (payload: string) => void): Promise<never> => {
    asked++;
    told.push(onMessage);
    throw new Error('the server is down');
  };
  const heard: string[] = [];
  const sql = Object.assign(() => {}, { unsafe: () => {}, listen, options: {} });
  const driver = driverOf(sql, { maxConnections: 1, pooler: false, ...timeouts });
  for (let i = 0; i < 3; i++)
    await expect(
      driver.listen?.('heard', { onMessage: (payload) => heard.push(payload), onLost() {} }),
    ).rejects.toThrow(/down/);
  expect(asked).toBe(1);
  // It tells of what it hears once it listens again, and of nothing after the end.
  told[0]!('before');
  await driver.close();
  told[0]!('after');
  expect(heard).toEqual(['before']);
});

it('a URL that cannot be read is refused at once, and not shown', () => {
  for (const url of ['postgres://user:secret@host:word/db', 'postgres://user:secret@@@:x/db']) {
    const refused = expect.objectContaining({
      code: 'LOCK_INVALID_ARGUMENT',
      message: expect.not.stringContaining('secret'),
    });
    expect(() => postgresAdapter({ url })).toThrow(refused);
  }
  for (const url of [
    '/var/run/postgresql db',
    'postgres:///db',
    'postgres://u:p%20w@/db',
    'postgresql://[::1]:5433/db',
  ])
    postgresAdapter({ url });
});
