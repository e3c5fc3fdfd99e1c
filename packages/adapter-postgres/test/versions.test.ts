import { registerConformance } from '@holdfast/conformance/vitest';
import { type PostgresMajor, type PostgresServer, postgresMajors, startPostgres } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLockSchema, openFacts, postgresAdapter } from '../src/index.ts';
import { postgresHarness } from './harness.ts';
import { attempt, eventually, grant, newName, session } from './support.ts';

// Each major version of PostgreSQL, oldest and newest here; all of them with the whole suite under `npm run test:all`.
const all = process.env.HOLDFAST_TEST_ALL !== undefined;
const chosen = all ? postgresMajors : [postgresMajors[0]!, postgresMajors.at(-1)!];

it.each(chosen)('every step works on PostgreSQL %i', { timeout: 90_000 }, async (version) => {
  // The smallest there is, where it can be set.
  const settings: Record<string, string> = version < 17 ? {} : { max_notify_queue_pages: '64' };
  await using server = await startPostgres({ version, settings });
  await everyStep(server, version);
  if (version >= 17) await fullQueue(server);
});

/** A session that listens and does nothing else must not keep others from releasing their locks. */
async function fullQueue(server: PostgresServer): Promise<void> {
  await using idle = await session(server);
  await idle.query('LISTEN anything');
  await idle.query('BEGIN');
  await idle.query('SELECT 1');
  const fill = `SELECT pg_notify('anything', repeat('y', 7000) || n) FROM generate_series(1, 10) AS n`;
  await expect(
    (async () => {
      for (;;) await server.query(fill);
    })(),
  ).rejects.toThrow(/too many notifications/);
  const [one, two] = [1, 2].map(() => postgresAdapter({ url: server.url, callTimeoutMs: 20_000 }));
  const held = attempt(newName());
  await grant(one!, held);
  const asked = attempt(held.key);
  const granted = two!.enqueue!(asked, new AbortController().signal);
  await eventually('it waits', async () => (await one!.inspect?.(held.key))?.waiters === 1);
  expect(await one!.release(held)).toBe('released');
  await granted;
  await two!.release(asked);
  const facts = factsOf(server);
  const { notifies, notifyQueueUsage } = await facts.facts();
  expect(notifyQueueUsage).toBeGreaterThan(0.9);
  expect(notifies).toBe(false);
  for (const each of [one!, two!, facts]) await each.close?.();
}

const factsOf = ({ host, port }: PostgresServer) =>
  openFacts({ host, port, username: 'postgres', database: 'postgres' }, { callTimeoutMs: 20_000 });

async function everyStep(server: PostgresServer, version: PostgresMajor): Promise<void> {
  await createLockSchema({ url: server.url, callTimeoutMs: 20_000 });
  const [one, two] = [1, 2].map(() => postgresAdapter({ url: server.url, callTimeoutMs: 20_000 }));
  const [held, queued] = [attempt(newName()), attempt('')];
  const { fencingToken } = await grant(one!, held);
  let isQueued = false;
  const onQueued = (): void => {
    isQueued = true;
  };
  const asked = { ...queued, key: held.key, onQueued };
  const granted = two!.enqueue!(asked, new AbortController().signal);
  await eventually('it is queued', () => isQueued);
  expect(await one!.inspect?.(held.key)).toMatchObject({ owner: held.owner, fencingToken, waiters: 1 });
  expect((await one!.keys?.())?.keys).toEqual([held.key]);
  const renewed = await one!.renewMany?.([held, attempt('none')], 60_000);
  expect(renewed).toMatchObject([{ status: 'renewed' }, { status: 'lost' }]);
  expect(await one!.release(held)).toBe('released');
  expect((await granted).fencingToken).toBeGreaterThan(fencingToken!);

  await using client = await session(server);
  await client.query('BEGIN');
  await two!.assertIn(asked, client);
  await client.query('COMMIT');
  expect(await two!.downgrade?.(asked, 60_000)).toMatchObject({ status: 'renewed' });
  await grant(one!, attempt(held.key, { claim: { mode: 'shared' } }));
  expect(await one!.forceRelease?.(held.key)).toBe(true);
  const permits = { mode: 'permits', permits: 2, limit: 3 } as const;
  await grant(one!, attempt(held.key, { claim: permits }));
  expect(await one!.tryAcquire(attempt(held.key, { claim: permits }))).toMatchObject({ status: 'busy' });
  expect(await server.query('SELECT holdfast.sweep()::int AS freed')).toEqual([{ freed: 0 }]);

  const facts = factsOf(server);
  const { versionNumber, missingRights, notifies, notifyQueueUsage } = await facts.facts();
  expect([Math.floor(versionNumber / 10_000), missingRights]).toEqual([version, []]);
  expect([notifies, notifyQueueUsage]).toEqual([true, 0]);
  for (const each of [facts, one!, two!]) await each.close?.();
}

if (all) {
  for (const version of postgresMajors) {
    describe(`PostgreSQL ${version}`, () => {
      let server: PostgresServer;
      beforeAll(async () => {
        server = await startPostgres({ version });
        await createLockSchema({ url: server.url });
      });
      afterAll(() => server?.stop());
      registerConformance(postgresHarness(() => server));
    });
  }
}
