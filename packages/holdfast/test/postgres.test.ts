import { type PostgresServer, startPostgres } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLocks } from '../src/index.ts';
import { schemes } from '../src/schemes.ts';
import { holdfast } from './cli/support.ts';
import { expectExclusion, refusal } from './support.ts';

let server: PostgresServer;
let host: string;
beforeAll(async () => {
  server = await startPostgres();
  host = `${server.host}:${server.port}`;
});
afterAll(() => server?.stop());

it('setup creates the schema, prints its SQL, and is asked for where it is missing', async () => {
  const url = `postgres://postgres@${host}/postgres?schema=shop`;
  const missing = await refusal(openLocks(url), 'LOCK_BACKEND');
  expect(missing.message).toContain('holdfast setup');
  const printed = await holdfast(['setup', url, '--print']);
  expect(printed.stdout).toContain('CREATE TABLE IF NOT EXISTS "shop".lock');
  await refusal(openLocks(url), 'LOCK_BACKEND');
  const done = await holdfast(['setup', url]);
  expect([done.code, done.stdout]).toEqual([0, `The schema shop at postgres://${host} is ready.\n`]);
  expect((await holdfast(['setup', url])).code).toBe(0);
  expect(await expectExclusion(url)).toBe('postgres');
  expect((await holdfast(['setup', 'redis://127.0.0.1'])).code).toBe(64);
});

it('postgres:// and postgresql:// open a database with options', async () => {
  await expectExclusion(`postgres://postgres@${host}/postgres?createSchema=true&ttl=5s&callTimeout=5s`);
  await using locks = await openLocks(`postgresql://postgres@${host}/postgres`, {
    require: { fencing: true, fairness: 'fifo', shared: true, permits: true },
  });
  expect(locks.adapter.capabilities).toMatchObject(schemes.postgres!.gives);
  await using polling = await openLocks(`postgres://postgres@${host}/postgres?pooler=true&survivesFailover=true`);
  expect(polling.adapter.capabilities).toMatchObject({ wakeup: 'poll', survivesFailover: true });
});

it('what makes no sense is refused before anything is sent', async () => {
  const bad = [
    'postgres:',
    'postgres://a,b/shop',
    'postgres://a/shop?sslmode=prefer',
    'postgres://a/shop?sslrootcert=ca.pem',
    'postgres://a/shop?sslmode=verify-full&sslrootcert=/nowhere/ca.pem',
    'postgres://a/shop?scheme=x',
    'postgres://a/shop?schema=',
  ];
  for (const url of bad) await refusal(openLocks(url), 'LOCK_INVALID_ARGUMENT');
});

it('a server without TLS, a wrong database and an absent server are told apart', async () => {
  const refused = await refusal(openLocks(`postgres://postgres@${host}/nowhere`), 'LOCK_BACKEND');
  expect(refused).toMatchObject({ retryable: false, message: expect.stringContaining('3D000') });
  const plain = await refusal(
    openLocks(`postgres://postgres@${host}/postgres?sslmode=require&backendTimeout=500ms`),
    'LOCK_BACKEND',
  );
  expect(plain.message).toMatch(/SSL/);
  const away = await refusal(openLocks('postgres://127.0.0.1:1/x?backendTimeout=500ms'), 'LOCK_BACKEND');
  expect(away.message).toContain('does not answer');
});

describe('doctor', () => {
  const findings = async (url: string): Promise<string[]> => {
    const { stdout } = await holdfast(['doctor', url, '--json']);
    return JSON.parse(stdout).findings.map(
      ({ severity, what }: { severity: string; what: string }) => `${severity}: ${what}`,
    );
  };

  it('finds what endangers locks on a server, and a role without rights', async () => {
    await holdfast(['setup', `postgres://postgres@${host}/postgres?schema=clinic`]);
    const found = await findings(`postgres://postgres@${host}/postgres?schema=clinic&survivesFailover=true`);
    expect(found).toEqual([
      'critical: fsync is off.',
      'critical: The URL declares survivesFailover, but commits do not wait for a standby.',
      'note: idle_in_transaction_session_timeout is off.',
    ]);
    await server.query('CREATE ROLE poor LOGIN');
    const poor = await findings(`postgres://poor@${host}/postgres?schema=clinic`);
    expect(poor).toContainEqual(
      expect.stringMatching(/^critical: The user lacks rights: USAGE on schema clinic, .*place/),
    );
    expect(await findings(`postgres://postgres@${host}/postgres?schema=absent`)).toContain(
      'critical: The schema of the locks is missing.',
    );
  });
});
