import { expect, it, vi } from 'vitest';
import { memoryAdapter } from '../../adapter-memory/src/index.ts';
import { createLocks, type LockAdapter, LockError } from '../src/index.ts';

function setUp(assertIn?: LockAdapter['assertIn']) {
  const adapter: LockAdapter = { ...memoryAdapter(), assertIn };
  return createLocks(adapter);
}

it('assertIn passes the hold and the client to the adapter', async () => {
  const assertIn = vi.fn(async () => {});
  const locks = setUp(assertIn);
  const client = {};
  const lock = await locks.acquire('k');
  await lock.assertIn(client);
  const info = await locks.inspect('k');
  expect(assertIn).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ key: 'k', owner: info?.owner }), client);
  await locks.lead('leader', (term) => term.assertIn(client));
  expect(assertIn).toHaveBeenCalledTimes(2);
});

it('assertIn rejects with what the adapter says, and without an answer of it for a lock that is held no more', async () => {
  const assertIn = vi.fn(async () => {
    throw new LockError('LOCK_LOST', 'gone', { key: 'k' });
  });
  const lock = await setUp(assertIn).acquire('k');
  await expect(lock.assertIn({})).rejects.toMatchObject({ code: 'LOCK_LOST' });
  await lock.release();
  await expect(lock.assertIn({})).rejects.toMatchObject({ code: 'LOCK_RELEASED' });
  expect(assertIn).toHaveBeenCalledTimes(1);
});

it('C-136: an error of the client is a LOCK_BACKEND error, with the client’s own as its cause', async () => {
  const cause = Object.assign(new Error('could not serialize access'), { code: '40001' });
  const lock = await setUp(() => Promise.reject(cause)).acquire('k');
  const error = await lock.assertIn({}).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(LockError);
  expect(error).toMatchObject({ code: 'LOCK_BACKEND', key: 'k', retryable: true, cause });
  expect((error as Error).message).toMatch(/lock "k" on memory.*could not serialize access.*roll the transaction back/);
});

it('assertIn of a lock that is released meanwhile rejects', async () => {
  let pinned = (): void => {};
  const lock = await setUp(() => new Promise<void>((resolve) => (pinned = resolve))).acquire('k');
  const asserted = lock.assertIn({});
  await lock.release();
  pinned();
  await expect(asserted).rejects.toMatchObject({ code: 'LOCK_RELEASED' });
});

it('a lock that was pinned is not handed over inside the process: its transaction may still be open', async () => {
  const pins: string[] = [];
  const locks = setUp(async ({ owner }) => void pins.push(owner));
  const first = await locks.acquire('k');
  const [second, third] = [locks.acquire('k'), locks.acquire('k')];
  await first.release();
  await (await second).assertIn({});
  await (await second).release();
  await (await third).assertIn({});
  expect(pins[0]).not.toBe(pins[1]);
  await (await third).release();
});

it('a backend without transactions says so', async () => {
  const lock = await setUp().acquire('k');
  await expect(lock.assertIn({})).rejects.toMatchObject({
    code: 'LOCK_UNSUPPORTED',
    message: expect.stringContaining('memory'),
  });
});
