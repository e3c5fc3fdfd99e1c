import { PGlite } from '@electric-sql/pglite';
import { createLocks } from '@holdfast/lock-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createLockSchema, postgresAdapter } from '../src/index.ts';

let db: PGlite;
beforeAll(async () => {
  db = await PGlite.create();
  await createLockSchema({ client: db });
});
afterAll(() => db?.close());

it('PGlite: exclusive and shared locks, semaphores, and a lock inside a transaction', async () => {
  const [one, two] = [createLocks(postgresAdapter({ client: db })), createLocks(postgresAdapter({ client: db }))];
  expect(one.adapter.capabilities).toMatchObject({ crossProcess: false, wakeup: 'push' });
  const lock = await one.acquire('k');
  const next = two.acquire('k', { waitMs: 20_000 });
  expect(await two.tryAcquire('k')).toBeUndefined();
  await db.exec('CREATE TABLE written (n int)');
  await db.transaction(async (tx) => {
    await lock.assertIn(tx);
    await tx.query('INSERT INTO written VALUES (1)');
  });
  await expect(lock.assertIn(db)).rejects.toMatchObject({ code: 'LOCK_INVALID_ARGUMENT' });
  await lock.release();
  expect((await next).fencingToken).toBeGreaterThan(lock.fencingToken!);
  await two.close();
  await one.close();
});
