import { createLocks, type LockAdapter, type Locks } from '@holdfast/lock-core';
import { type PostgresServer, startPostgres } from '@holdfast/testbed';
import { sql as drizzleSql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import createKnex from 'knex';
import { CompiledQuery, Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLockSchema, type PostgresClientLike, postgresAdapter } from '../src/index.ts';
import { attempt, eventually, grant, newName } from './support.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
  await createLockSchema({ url: server.url });
});
afterAll(() => server?.stop());

const timeouts = { callTimeoutMs: 20_000 };

interface Given {
  readonly client: PostgresClientLike;
  readonly wakeup: 'push' | 'poll';
  end(): Promise<unknown>;
}

/** Every kind of client that an application may have. */
const clients: Record<string, () => Promise<Given>> = {
  async 'pg.Pool'() {
    const pool = new pg.Pool({ connectionString: server.url, max: 1 });
    return { client: pool, wakeup: 'push', end: () => pool.end() };
  },
  async 'pg.Client'() {
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    return { client, wakeup: 'push', end: () => client.end() };
  },
  async postgres() {
    const sql = postgres(server.url, { max: 3 });
    return { client: sql, wakeup: 'push', end: () => sql.end() };
  },
  async Knex() {
    const knex = createKnex({ client: 'pg', connection: server.url });
    return { client: knex, wakeup: 'poll', end: () => knex.destroy() };
  },
  async Kysely() {
    const db = new Kysely({
      dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: server.url }) }),
    });
    return {
      client: (text, values) => db.executeQuery(CompiledQuery.raw(text, [...values])),
      wakeup: 'poll',
      end: () => db.destroy(),
    };
  },
  async Drizzle() {
    const db = drizzle(server.url);
    return {
      client: (text, values) => db.$client.query(text, [...values]),
      wakeup: 'poll',
      end: () => db.$client.end(),
    };
  },
  async Prisma() {
    // Its client is generated for one database, and takes 200 MB: this is the part of it that counts. Version 7.10 was tried by hand.
    const pool = new pg.Pool({ connectionString: server.url });
    const prisma = {
      $queryRawUnsafe: async <T>(text: string, ...values: unknown[]): Promise<T> =>
        (await pool.query(text, values)).rows as T,
    };
    return { client: prisma, wakeup: 'poll', end: () => pool.end() };
  },
};

describe.each(Object.keys(clients))('%s', (name) => {
  it('locks, waits in the queue, renews, and stays open', async () => {
    const given = await clients[name]!();
    const adapter = postgresAdapter({ client: given.client, ...timeouts });
    const other = postgresAdapter({ url: server.url, ...timeouts });
    expect(adapter.capabilities.wakeup).toBe(given.wakeup);
    const [held, waiting] = [attempt(newName('ключ \0')), attempt('')];
    await grant(other, held);
    let queued = false;
    const asked = attempt(held.key, {
      owner: waiting.owner,
      onQueued: () => {
        queued = true;
      },
    });
    const granted = adapter.enqueue!(asked, new AbortController().signal);
    await eventually('it is queued', () => queued);
    await other.release(held);
    const { fencingToken } = await granted;
    expect(await adapter.inspect?.(held.key)).toMatchObject({ owner: asked.owner, fencingToken });
    const absent = { ...asked, owner: 'nobody' };
    expect(await adapter.renewMany?.([absent, asked], 60_000)).toMatchObject([
      { status: 'lost' },
      { status: 'renewed' },
    ]);
    expect((await adapter.keys?.())?.keys).toContain(held.key);
    expect(await adapter.release(asked)).toBe('released');
    await adapter.close?.();
    await other.close?.();
    await given.end();
  });

  it('creates the schema, whatever characters its name has', async () => {
    const given = await clients[name]!();
    const schema = `made? "by" ${name}`;
    const adapter = postgresAdapter({ client: given.client, schema, createSchema: true, ...timeouts });
    const held = attempt(newName('k?'));
    await grant(adapter, held);
    expect(await adapter.release(held)).toBe('released');
    await adapter.close?.();
    await given.end();
  });
});

it('a free key costs one statement, and its release one; the function is called only where somebody else is concerned', async () => {
  const client = new pg.Client(server.url);
  await client.connect();
  const adapter = postgresAdapter({ client, ...timeouts });
  await adapter.tryAcquire(attempt(newName())); // the schema is looked at first
  const sent: string[] = [];
  const query = client.query.bind(client) as (...given: unknown[]) => never;
  client.query = (...given: unknown[]): never => {
    sent.push((given[0] as { name: string }).name.replace('holdfast.', ''));
    return query(...given);
  };
  const statements = (): string => sent.splice(0).join(' ');
  const held = attempt(newName());
  await grant(adapter, held);
  expect(statements()).toBe('take');
  expect(await adapter.tryAcquire(attempt(held.key))).toMatchObject({ status: 'busy' });
  expect(statements()).toBe('take ask_alone');
  expect(await adapter.release(held)).toBe('released');
  expect(statements()).toBe('end');
  expect(await adapter.release(held)).toBe('not-held');
  expect(statements()).toBe('end release');
  await adapter.close?.();
  await client.end();
});

it('an application that holds all connections of its pool while it waits for a lock does not block the holder', async () => {
  const pool = new pg.Pool({ connectionString: server.url, max: 1 });
  const [locks, others] = [1, 2].map(() => createLocks(postgresAdapter({ client: pool, ...timeouts }))) as [
    Locks,
    Locks,
  ];
  const key = newName();
  await locks.using(key, async () => {
    const taken = await pool.connect();
    const next = others.acquire(key, { waitMs: 20_000 });
    await eventually('it waits', async () => (await locks.inspect(key))?.waiters === 1);
    taken.release();
    next.then((lock) => lock.release()).catch(() => {});
  });
  await others.close();
  await locks.close();
  await pool.end();
});

it('a client that is busy gives an error that says so, and no deadlock', async () => {
  const sql = postgres(server.url, { max: 1 });
  const adapter = postgresAdapter({ client: sql, callTimeoutMs: 300 });
  await grant(adapter, attempt(newName()));
  const key = newName();
  await sql.begin(async () => {
    await expect(adapter.tryAcquire(attempt(key))).rejects.toThrow(/connections in use/);
  });
  // It was never sent.
  expect(await adapter.inspect?.(key)).toBeUndefined();
  await adapter.close?.();
  await sql.end();
});

it('assertIn works inside the transactions of postgres.js, Drizzle and Kysely', async () => {
  const adapter = postgresAdapter({ url: server.url, ...timeouts });
  const hold = attempt(newName());
  await grant(adapter, hold);
  const sql = postgres(server.url, { max: 1 });
  await sql.begin((tx) => adapter.assertIn(hold, tx));
  await sql.end();
  const kysely = new Kysely({ dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: server.url }) }) });
  await kysely
    .transaction()
    .execute((trx) =>
      adapter.assertIn(hold, (text: string, values: string[]) => trx.executeQuery(CompiledQuery.raw(text, values))),
    );
  await kysely.destroy();
  const db = drizzle(server.url);
  await db.transaction((tx) =>
    adapter.assertIn(hold, (text: string, values: string[]) =>
      // The parts of the text and the values between them.
      tx.execute(
        drizzleSql.join(
          text
            .split(/\$\d+/)
            .flatMap((part, i) => [drizzleSql.raw(part), ...(i < values.length ? [drizzleSql`${values[i]}`] : [])]),
        ),
      ),
    ),
  );
  await db.$client.end();
  await adapter.release(hold);
  await adapter.close?.();
});

it('a database whose sessions serialize transactions is refused through a client that cannot say otherwise', async () => {
  const pool = new pg.Pool({ connectionString: server.url, options: '-c default_transaction_isolation=serializable' });
  const adapter: LockAdapter = postgresAdapter({
    client: (text, values) => pool.query(text, [...values]),
    ...timeouts,
  });
  await expect(adapter.tryAcquire(attempt(newName()))).rejects.toMatchObject({
    code: 'LOCK_BACKEND',
    retryable: false,
    message: expect.stringContaining('read committed'),
  });
  await adapter.close?.();
  await pool.end();
});
