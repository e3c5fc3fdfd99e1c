import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { createLocks, type LockAdapter } from '@holdfast/lock-core';
import { type PostgresServer, startPostgres } from '@holdfast/testbed';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createLockSchema, type PostgresLockAdapter, postgresAdapter } from '../src/index.ts';
import { attempt, eventually, grant, newName, session } from './support.ts';

let server: PostgresServer;
let adapter: PostgresLockAdapter;
let other: LockAdapter;
const children: ChildProcess[] = [];
beforeAll(async () => {
  server = await startPostgres();
  await createLockSchema({ url: server.url });
  await server.query('CREATE TABLE written (n serial, by text)');
  adapter = postgresAdapter({ url: server.url, callTimeoutMs: 20_000 });
  other = postgresAdapter({ url: server.url, callTimeoutMs: 20_000 });
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(async () => {
  await adapter?.close?.();
  await other?.close?.();
  await server?.stop();
});

const holdOf = async (key: string) => ({ key, owner: (await adapter.inspect?.(key))!.owner });
const isFree = async (key: string): Promise<boolean> => (await other.inspect?.(key)) === undefined;
const writers = async (): Promise<unknown[]> =>
  (await server.query('DELETE FROM written RETURNING n, by')).sort((a, b) => a.n - b.n).map(({ by }) => by);

/** A holder in a process of its own. */
function startHolder(key: string, owner: string): { child: ChildProcess; step(name: string): Promise<string> } {
  const script = new URL('./transaction-holder.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, ['--import', 'tsx', script, server.url, key, owner], {
    cwd: import.meta.dirname,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  return {
    child,
    async step(name) {
      child.stdin!.write(`${name}\n`);
      return (await lines.next()).value;
    },
  };
}

describe('a process that is paused', () => {
  it('before it pins its hold: after the take-over its write is refused', async () => {
    const key = newName();
    const { child, step } = startHolder(key, 'paused');
    expect(await step('acquire')).toBe('granted');
    await step('begin');
    child.kill('SIGSTOP');
    await eventually('its lease is over', () => isFree(key));
    const next = attempt(key);
    await grant(other, next);
    await server.query(`INSERT INTO written (by) VALUES ('parent')`);
    child.kill('SIGCONT');
    expect(await step('pin')).toBe('LOCK_LOST');
    expect(await writers()).toEqual(['parent']);
    await other.release(next);
  });

  it('after it has pinned its hold: nobody is granted the key until it has committed, however long its lease is over', async () => {
    const key = newName();
    const { child, step } = startHolder(key, 'paused');
    expect(await step('acquire')).toBe('granted');
    await step('begin');
    expect(await step('pin')).toBe('pinned');
    await step('write');
    child.kill('SIGSTOP');
    await eventually('its lease is over', () => isFree(key));
    const next = attempt(key);
    expect(await other.tryAcquire(next)).toMatchObject({ status: 'busy' });
    expect(await other.forceRelease?.(key)).toBe(false);
    let isGranted = false;
    const queued = attempt(key);
    const granted = other.enqueue!(queued, new AbortController().signal).then(async () => {
      isGranted = true;
      await server.query(`INSERT INTO written (by) VALUES ('parent')`);
    });
    await eventually('it waits', async () => (await server.query('SELECT FROM holdfast.place')).length === 1);
    await new Promise((resolve) => setTimeout(resolve, 1_500)); // more than a beat
    expect(isGranted).toBe(false);
    child.kill('SIGCONT');
    await step('commit');
    await granted;
    expect(await writers()).toEqual(['child', 'parent']);
    await other.release(queued);
  });

  it('and is killed: the end of its transaction frees the key, and its write is undone', async () => {
    const key = newName();
    const { child, step } = startHolder(key, 'killed');
    await step('acquire');
    await step('begin');
    expect(await step('pin')).toBe('pinned');
    await step('write');
    child.kill('SIGKILL');
    const next = attempt(key);
    await other.enqueue!(next, new AbortController().signal);
    expect(await writers()).toEqual([]);
    await other.release(next);
  });
});

describe('a pinned hold', () => {
  it('is renewed all the same, and a release takes effect when the transaction ends', async () => {
    await using client = await session(server);
    const hold = attempt(newName());
    await grant(adapter, hold);
    await client.query('BEGIN');
    await adapter.assertIn(hold, client);
    expect(await adapter.renew(hold, 60_000)).toMatchObject({ status: 'renewed' });
    expect(await other.tryAcquire(attempt(hold.key))).toMatchObject({ status: 'busy' });
    await expect(adapter.downgrade?.(hold, 60_000)).rejects.toThrow(/open transaction/);
    expect(await adapter.release(hold)).toBe('released');
    expect(await adapter.release(hold)).toBe('not-held');
    expect(await other.tryAcquire(attempt(hold.key))).toMatchObject({ status: 'busy' });
    await client.query('ROLLBACK');
    const next = attempt(hold.key);
    await grant(other, next);
    await other.release(next);
  });

  it('that is shared keeps writers out, and lets readers in', async () => {
    await using client = await session(server);
    const hold = attempt(newName(), { claim: { mode: 'shared' } });
    await grant(adapter, hold);
    await client.query('BEGIN');
    await adapter.assertIn(hold, client);
    expect(await adapter.release(hold)).toBe('released');
    expect(await other.tryAcquire(attempt(hold.key))).toMatchObject({ status: 'busy' });
    const reader = attempt(hold.key, { claim: { mode: 'shared' } });
    await grant(other, reader);
    await other.release(reader);
    await client.query('COMMIT');
    const writer = attempt(hold.key);
    await grant(other, writer);
    await other.release(writer);
  });

  it('is shared once the transaction has ended, and stands until then', async () => {
    await using client = await session(server);
    const locks = createLocks(adapter);
    const lock = await locks.acquire(newName());
    await client.query('BEGIN');
    await lock.assertIn(client);
    const downgraded = lock.downgrade();
    await expect(adapter.downgrade?.(await holdOf(lock.key), 60_000)).rejects.toThrow(/open transaction/);
    lock.assertHeld();
    await client.query('COMMIT');
    await downgraded;
    expect(lock.mode).toBe('shared');
    expect(await lock.release()).toBe('released');
  });

  it('is the hold of its owner, whatever a snapshot says that is older than a take-over', async () => {
    for (const level of ['REPEATABLE READ', 'SERIALIZABLE']) {
      await using client = await session(server);
      const [hold, next] = [attempt(newName()), attempt(newName())];
      await grant(adapter, hold);
      const withdrawal = new AbortController();
      let queued = (): void => {};
      const isQueued = new Promise<void>((resolve) => {
        queued = resolve;
      });
      const waiter = { ...next, key: hold.key, onQueued: () => queued() };
      const granted = other.enqueue!(waiter, withdrawal.signal);
      await isQueued;
      await client.query(`BEGIN ISOLATION LEVEL ${level}`);
      await client.query('SELECT count(*) FROM written');
      await adapter.renew(hold, 60_000);
      await other.forceRelease?.(hold.key);
      await granted;
      await expect(adapter.assertIn(hold, client)).rejects.toThrow(/serialize/);
      await client.query('ROLLBACK');
      await other.release(waiter);
    }
  });

  it('keeps nobody from other keys', async () => {
    await using client = await session(server);
    const [hold, elsewhere] = [attempt(newName()), attempt(newName())];
    await grant(adapter, hold);
    await client.query('BEGIN');
    await adapter.assertIn(hold, client);
    await grant(other, elsewhere);
    expect(await other.renewMany?.([elsewhere, hold], 60_000)).toMatchObject([
      { status: 'renewed' },
      { status: 'renewed' },
    ]);
    await other.release(elsewhere);
    await client.query('COMMIT');
    await adapter.release(hold);
  });
});

describe('assertIn refuses', () => {
  it('a client without a transaction, a pool, and what is no client', async () => {
    await using client = await session(server);
    const pool = new pg.Pool({ connectionString: server.url });
    const hold = attempt(newName());
    await grant(adapter, hold);
    const refused = { code: 'LOCK_INVALID_ARGUMENT', message: expect.stringMatching(/transaction/) };
    await expect(adapter.assertIn(hold, client)).rejects.toMatchObject(refused);
    await expect(adapter.assertIn(hold, pool)).rejects.toMatchObject(refused);
    await expect(adapter.assertIn(hold, {})).rejects.toMatchObject(refused);
    await pool.end();
    await adapter.release(hold);
  });

  it('a hold that was never there, was released, or belongs to another owner', async () => {
    await using client = await session(server);
    const hold = attempt(newName());
    await client.query('BEGIN');
    await expect(adapter.assertIn(hold, client)).rejects.toMatchObject({ code: 'LOCK_LOST' });
    await grant(adapter, hold);
    await expect(adapter.assertIn({ ...hold, owner: 'somebody' }, client)).rejects.toMatchObject({ code: 'LOCK_LOST' });
    await adapter.release(hold);
    await expect(adapter.assertIn(hold, client)).rejects.toMatchObject({ code: 'LOCK_LOST' });
    await client.query('COMMIT');
  });
});
