import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createLocks } from '@holdfast/lock-core';
import { startPostgres } from '@holdfast/testbed';
import { describe, expect, it } from 'vitest';
import { createLockSchema, type PostgresLockOptions, postgresAdapter } from '../src/index.ts';
import { attempt, grant, newName } from './support.ts';

const run = promisify(execFile);

it('H20, H62: a grant outlives a crash of a server that commits without waiting for the disk, and tokens rise over it', async () => {
  await using server = await startPostgres({ settings: { synchronous_commit: 'off', wal_writer_delay: '10s' } });
  await createLockSchema({ url: server.url });
  const adapter = postgresAdapter({ url: server.url, callTimeoutMs: 20_000 });
  const [held, gone] = [attempt(newName()), attempt(newName())];
  await grant(adapter, gone);
  await adapter.release(gone);
  const { fencingToken } = await grant(adapter, held);
  await server.kill();
  await server.restart();
  const other = postgresAdapter({ url: server.url, callTimeoutMs: 20_000 });
  expect(await other.tryAcquire(attempt(held.key))).toMatchObject({ status: 'busy' });
  expect(await other.renew(held, 60_000)).toMatchObject({ status: 'renewed' });
  expect((await grant(other, attempt(gone.key))).fencingToken).toBeGreaterThan(fencingToken!);
  await adapter.close?.();
  await other.close?.();
});

it('H62: tokens rise although the rows of crashed holders are swept away', async () => {
  await using server = await startPostgres();
  await createLockSchema({ url: server.url });
  const adapter = postgresAdapter({ url: server.url, callTimeoutMs: 20_000 });
  const first = attempt(newName(), { ttlMs: 1 });
  const { fencingToken } = await grant(adapter, first);
  await expect.poll(() => adapter.inspect?.(first.key), { timeout: 20_000 }).toBeUndefined();
  expect(await server.query('SELECT holdfast.sweep()::int AS freed')).toEqual([{ freed: 1 }]);
  expect((await grant(adapter, attempt(first.key))).fencingToken).toBeGreaterThan(fencingToken!);
  await adapter.close?.();
});

it('a server whose default is to serialize transactions: rivals are busy, not errors', async () => {
  await using server = await startPostgres({ settings: { default_transaction_isolation: 'serializable' } });
  await createLockSchema({ url: server.url });
  const adapters = [1, 2, 3].map(() => postgresAdapter({ url: server.url, callTimeoutMs: 20_000 }));
  for (let round = 0; round < 20; round++) {
    const asked = adapters.map((adapter) => ({ adapter, attempt: attempt('contended') }));
    const outcomes = await Promise.all(asked.map((one) => one.adapter.tryAcquire(one.attempt)));
    expect(outcomes.filter(({ status }) => status === 'granted').length).toBe(1);
    await Promise.all(asked.map((one) => one.adapter.release(one.attempt)));
  }
  for (const adapter of adapters) await adapter.close?.();
});

describe('set-up', () => {
  it('H85: without the tables every call is LOCK_BACKEND for good, and says what to do', async () => {
    await using server = await startPostgres();
    const adapter = postgresAdapter({ url: server.url, callTimeoutMs: 20_000 });
    const missing = { code: 'LOCK_BACKEND', retryable: false, message: expect.stringContaining('holdfast setup') };
    await expect(adapter.tryAcquire(attempt('a'))).rejects.toMatchObject(missing);
    await expect(adapter.renew(attempt('a'), 1_000)).rejects.toMatchObject(missing);
    await expect(adapter.release(attempt('a'))).rejects.toMatchObject(missing);
    await expect(adapter.inspect?.('a')).rejects.toMatchObject(missing);
    const locks = createLocks(adapter);
    await expect(locks.acquire('a')).rejects.toMatchObject(missing);
    await locks.close();
  });

  it('processes that make the tables at the same time do not disturb one another', async () => {
    await using server = await startPostgres();
    await Promise.all(Array.from({ length: 8 }, () => createLockSchema({ url: server.url, callTimeoutMs: 20_000 })));
    const adapter = postgresAdapter({ url: server.url });
    await grant(adapter, attempt('a'));
    await createLockSchema({ url: server.url });
    expect(await adapter.inspect?.('a')).toBeDefined();
    await adapter.close?.();
  });

  it('a user with the rights of the README can lock, one without cannot, and no error shows a password', async () => {
    await using server = await startPostgres();
    await createLockSchema({ url: server.url });
    await server.query('CREATE ROLE app LOGIN');
    await server.query('GRANT USAGE ON SCHEMA holdfast TO app');
    await server.query('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA holdfast TO app');
    await server.query('GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA holdfast TO app');
    await server.query('CREATE ROLE stranger LOGIN');
    const as = (user: string): string => server.url.replace('//postgres@', `//${user}:secret-word@`);
    const locks = createLocks(postgresAdapter({ url: as('app') }));
    expect(await locks.using('a', async (lock) => lock.fencingToken)).toBeGreaterThan(0n);
    expect(await locks.inspect('a')).toBeUndefined();
    expect(await locks.forceRelease('a')).toBe(false);
    await locks.close();
    for (const user of ['stranger', 'nobody-at-all']) {
      const adapter = postgresAdapter({ url: as(user) });
      const refused = await adapter.tryAcquire(attempt('a')).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: 'LOCK_BACKEND', retryable: false });
      expect(String((refused as Error).message)).not.toContain('secret-word');
      await adapter.close?.();
    }
  });

  it('the adapter creates the schema at its first use, where it is allowed to, under the name that it is given', async () => {
    await using server = await startPostgres();
    const options = { url: server.url, schema: "Our 'locks'", createSchema: true, callTimeoutMs: 20_000 };
    const adapters = [1, 2, 3].map(() => postgresAdapter(options));
    const outcomes = await Promise.all(adapters.map((adapter) => adapter.tryAcquire(attempt('a'))));
    expect(outcomes.filter(({ status }) => status === 'granted')).toHaveLength(1);
    for (const adapter of adapters) await adapter.close?.();
    for (const schema of ['select', 'my_holdfast.locks', 'a "b" %']) {
      const oddlyNamed = postgresAdapter({ ...options, schema });
      const held = attempt('a');
      await grant(oddlyNamed, held);
      expect(await oddlyNamed.release(held)).toBe('released');
      await oddlyNamed.close?.();
    }
    // A newer one is left alone.
    await server.query(
      `CREATE OR REPLACE FUNCTION "Our 'locks'".version() RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 99'`,
    );
    const { createSchema, ...alike } = options;
    await expect(createLockSchema(alike)).rejects.toThrow(/version 99/);
    const adapter = postgresAdapter(options);
    await expect(adapter.tryAcquire(attempt('a'))).rejects.toMatchObject({
      code: 'LOCK_UNSUPPORTED',
      retryable: false,
    });
    await adapter.close?.();
  });

  it('the adapter that may create the schema does so again when the database was emptied, and says at once where it cannot', async () => {
    await using server = await startPostgres();
    const adapter = postgresAdapter({ url: server.url, createSchema: true, callTimeoutMs: 20_000 });
    await grant(adapter, attempt('a'));
    await server.query('DROP SCHEMA holdfast CASCADE');
    expect(await adapter.release(attempt('a'))).toBe('not-held');
    await grant(adapter, attempt('a'));
    await server.query('DROP SCHEMA holdfast CASCADE');
    await adapter.close?.();
    await server.query(`CREATE SCHEMA mine; CREATE TABLE mine.lock (id int);
      CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no %', tg_tag; END $$;
      CREATE EVENT TRIGGER no ON ddl_command_start WHEN TAG IN ('CREATE SCHEMA') EXECUTE FUNCTION no()`);
    for (const [schema, message] of [
      ['holdfast', /refuses to create the schema.*no CREATE SCHEMA \(P0001\).*holdfast setup/],
      ['mine', /column .*owner.* does not exist \(42703\)/],
    ] as const) {
      const options = { url: server.url, schema, callTimeoutMs: 20_000 };
      const refused = { code: 'LOCK_BACKEND', retryable: false, message: expect.stringMatching(message) };
      await expect(createLockSchema(options)).rejects.toMatchObject(refused);
      const refusing = postgresAdapter({ ...options, createSchema: true });
      await expect(refusing.tryAcquire(attempt('a'))).rejects.toMatchObject(refused);
      await refusing.close?.();
    }
  });

  it.each<[PostgresLockOptions, string]>([
    [{ maxConnections: 0 }, 'maxConnections'],
    [{ callTimeoutMs: 1.5 }, 'callTimeoutMs'],
    [{ pooler: 'yes' as unknown as boolean }, 'pooler'],
    [{ schema: '' }, 'schema'],
    [{ schema: 'a$setup$; DROP TABLE b' }, 'schema'],
    [{ client: {} as never }, 'client'],
    [{ client: async () => [], url: 'postgres://' }, 'either'],
    [{ ulr: 'postgres://' } as PostgresLockOptions, 'no option "ulr"'],
    [new URL('postgres://127.0.0.1') as PostgresLockOptions, 'not a URL'],
    [Promise.resolve({}) as PostgresLockOptions, 'not a promise'],
    [null as never, 'must be an object'],
  ])('an option that makes no sense is refused at once: %o', (options, message) => {
    expect(() => postgresAdapter(options)).toThrow(
      expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT', message: expect.stringContaining(message) }),
    );
  });
});

it('H55: a process that holds a lock, and has nothing else to do, ends', async () => {
  await using server = await startPostgres();
  await createLockSchema({ url: server.url });
  const script = `
    import { createLocks } from '@holdfast/lock-core';
    import { postgresAdapter } from ${JSON.stringify(new URL('../src/index.ts', import.meta.url).href)};
    const locks = createLocks(postgresAdapter({ url: ${JSON.stringify(server.url)} }));
    const lock = await locks.acquire('a');
    const other = await locks.acquire('a', { owner: locks.createOwner(), waitMs: 100 }).catch((error) => error.code);
    console.log(lock.state, other);`;
  const args = ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', script];
  const { stdout } = await run(process.execPath, args, { cwd: import.meta.dirname, timeout: 20_000 });
  expect(stdout.trim()).toBe('held LOCK_TIMEOUT');
});
