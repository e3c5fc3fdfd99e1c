import { readFileSync } from 'node:fs';
import {
  type Certificates,
  makeCertificates,
  type PostgresServer,
  type PostgresTlsServer,
  startPostgres,
  startPostgresTls,
} from '@holdfast/testbed';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLockSchema, openPostgres, type PostgresTarget, postgresAdapter } from '../src/index.ts';
import { attempt, grant, newName } from './support.ts';

let secure: PostgresTlsServer;
let stranger: Certificates;
let plain: PostgresServer;
beforeAll(async () => {
  [secure, stranger, plain] = await Promise.all([startPostgresTls(), makeCertificates('stranger'), startPostgres()]);
  await createLockSchema({ url: secure.url, callTimeoutMs: 20_000 });
});
afterAll(() => Promise.all([secure, plain].map((server) => server?.stop())));

const encrypted = `SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = $1`;
const target = (more: Partial<PostgresTarget>, { port } = secure as PostgresServer): PostgresTarget => ({
  ...{ host: '127.0.0.1', port, username: 'postgres', database: 'postgres' },
  ...more,
});

describe('pg', () => {
  it.each([
    ['require', () => ({ sslmode: 'require' })],
    [
      'verify-ca, under a name that the certificate does not have',
      () => ({ host: 'localhost', sslmode: 'verify-ca', sslrootcert: secure.authorityFile }),
    ],
    ['verify-full', () => ({ sslmode: 'verify-full', sslrootcert: secure.authorityFile })],
  ])('locks and waits over TLS with sslmode=%s', async (name, more) => {
    const adapter = openPostgres(target(more()), { callTimeoutMs: 20_000, connection: { application_name: name } });
    const held = attempt(newName());
    await grant(adapter, held);
    const rows = await secure.query(encrypted, [name]);
    expect(rows.map(({ ssl }) => ssl)).toEqual([true]);
    const next = attempt(held.key, { onQueued: () => void adapter.release(held) });
    await adapter.enqueue!(next, new AbortController().signal);
    await adapter.release(next);
    await adapter.close?.();
  });

  it.each([
    [
      'the certificate of another authority',
      () => ({ sslmode: 'verify-full', sslrootcert: stranger.authorityFile }),
      'sslrootcert',
    ],
    ['an authority that is not the system’s', () => ({ sslmode: 'verify-full' }), 'sslrootcert'],
    [
      'a certificate for another name',
      () => ({ host: 'localhost', sslmode: 'verify-full', sslrootcert: secure.authorityFile }),
      'host name',
    ],
  ])('refuses %s at once, and says what to do', async (_, more, words) => {
    const adapter = openPostgres(target(more()), { callTimeoutMs: 20_000 });
    await expect(adapter.tryAcquire(attempt(newName()))).rejects.toMatchObject({
      ...{ code: 'LOCK_BACKEND', retryable: false, message: expect.stringContaining(words) },
    });
    await adapter.close?.();
  });

  it('refuses a server without TLS, rather than go on in the clear', async () => {
    const adapter = openPostgres(target({ sslmode: 'require' }, plain), { callTimeoutMs: 20_000 });
    await expect(adapter.tryAcquire(attempt(newName()))).rejects.toMatchObject({
      ...{ code: 'LOCK_BACKEND', retryable: false, message: expect.stringContaining('turn `ssl` on') },
    });
    await adapter.close?.();
  });
});

describe('postgres.js', () => {
  const over = (ssl: postgres.Options<never>['ssl'], server: PostgresServer = secure) => {
    const sql = postgres(server.url, { ssl: ssl!, max: 2, connection: { application_name: 'over postgres.js' } });
    const adapter = postgresAdapter({ client: sql, callTimeoutMs: 20_000 });
    return { adapter, end: () => sql.end({ timeout: 1 }) };
  };

  it('locks over TLS, with a certificate that was checked', async () => {
    // Without it, an address is checked as if it were localhost.
    const { adapter, end } = over({ ca: readFileSync(secure.authorityFile, 'utf8'), host: '127.0.0.1' });
    const held = attempt(newName());
    await grant(adapter, held);
    const rows = await secure.query(encrypted, ['over postgres.js']);
    expect(new Set(rows.map(({ ssl }) => ssl))).toEqual(new Set([true]));
    expect(await adapter.release(held)).toBe('released');
    await adapter.close?.();
    await end();
  });

  it('refuses the certificate of another authority at once, and says what to do', async () => {
    const { adapter, end } = over({ ca: readFileSync(stranger.authorityFile, 'utf8'), host: '127.0.0.1' });
    await expect(adapter.tryAcquire(attempt(newName()))).rejects.toMatchObject({
      ...{ code: 'LOCK_BACKEND', retryable: false, message: expect.stringContaining('sslrootcert') },
    });
    await adapter.close?.();
    await end();
  });

  it('does not go on in the clear with a server without TLS', async () => {
    const { adapter, end } = over('require', plain);
    // It does not say more: to Node this is a connection that broke.
    await expect(adapter.tryAcquire(attempt(newName()))).rejects.toThrow(/TLS/);
    await adapter.close?.();
    await end();
  });
});
