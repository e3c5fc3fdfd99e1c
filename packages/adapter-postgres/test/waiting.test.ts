import { getEventListeners } from 'node:events';
import { createLocks, type LockAdapter } from '@holdfast/lock-core';
import { type PostgresServer, startPostgres } from '@holdfast/testbed';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { createLockTables, postgresAdapter } from '../src/index.ts';
import { attempt, eventually, grant, newName } from './support.ts';

let server: PostgresServer;
const adapters: LockAdapter[] = [];
beforeAll(async () => {
  server = await startPostgres();
  await createLockTables({ url: server.url });
});
afterAll(() => server?.stop());
afterEach(async () => {
  for (const adapter of adapters.splice(0)) await adapter.close?.();
});

function client(): LockAdapter {
  const adapter = postgresAdapter({ url: server.url, callTimeoutMs: 20_000 });
  adapters.push(adapter);
  return adapter;
}

/** Ends the connections that listen, from the server's side; answers how many there were. */
async function cutListeners(): Promise<number> {
  const rows = await server.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE application_name = 'holdfast' AND query ~ '^(UN)?LISTEN' AND pid <> pg_backend_pid()`,
  );
  return rows.length;
}

it('H37: a release exactly between the look and the subscription is not missed', async () => {
  const holder = client();
  const held = attempt(newName());
  await grant(holder, held);
  const real = client();
  let first = true;
  const adapter: LockAdapter = {
    ...real,
    async whenFree(key, signal) {
      if (first) await holder.release(held);
      first = false;
      return real.whenFree?.(key, signal);
    },
  };
  const locks = createLocks(adapter);
  expect((await locks.acquire(held.key, { waitMs: 20_000 })).state).toBe('held');
  await locks.close();
});

it('H38: a release without a word is found by the fall-back poll, long before the lease is over', async () => {
  const held = attempt(newName(), { ttlMs: 600_000 });
  await grant(client(), held);
  const locks = createLocks(client());
  const waiting = locks.acquire(held.key, { waitMs: 20_000 });
  await eventually('it listens', async () => (await server.query(listening)).length > 0);
  await server.query('DELETE FROM holdfast.lock WHERE key = $1', [Buffer.from(held.key)]);
  expect((await waiting).state).toBe('held');
  await locks.close();
});

const listening = `SELECT FROM pg_stat_activity WHERE application_name = 'holdfast' AND query LIKE 'LISTEN %' AND state = 'idle'`;

it('H38: when the connection that listens is cut, who waits is told, and listens again when he asks again', async () => {
  const [adapter, holder] = [client(), client()];
  const abort = new AbortController();
  const held = attempt(newName());
  await grant(holder, held);
  await adapter.whenFree?.(held.key, abort.signal);
  const hint = adapter.whenFree?.(held.key, abort.signal);
  const told = expect(hint).rejects.toThrow();
  expect(await cutListeners()).toBe(1);
  await told;
  await adapter.whenFree?.(held.key, abort.signal);
  const next = adapter.whenFree?.(held.key, abort.signal);
  await holder.release(held);
  await next;
  abort.abort();
});

it('H40: the first of two waiters gives up, the second is still woken', async () => {
  const [adapter, holder] = [client(), client()];
  const held = attempt(newName());
  await grant(holder, held);
  const [one, two] = [new AbortController(), new AbortController()];
  await Promise.all([adapter.whenFree?.(held.key, one.signal), adapter.whenFree?.(held.key, two.signal)]);
  const hints = [adapter.whenFree?.(held.key, one.signal), adapter.whenFree?.(held.key, two.signal)];
  one.abort(new Error('gives up'));
  await expect(hints[0]).rejects.toThrow('gives up');
  await holder.release(held);
  await hints[1];
  two.abort();
});

it('H40: one leaves and another comes at the same moment: the newcomer is woken', async () => {
  const [adapter, holder] = [client(), client()];
  const key = newName();
  let before = new AbortController();
  await adapter.whenFree?.(key, before.signal);
  for (let round = 0; round < 20; round++) {
    const next = new AbortController();
    before.abort();
    await adapter.whenFree?.(key, next.signal);
    before = next;
  }
  const hint = adapter.whenFree?.(key, before.signal);
  const held = attempt(key);
  await grant(holder, held);
  await holder.release(held);
  await hint;
  before.abort();
});

it('H43: 1,000 waits for 20 keys leave one connection, and no listener on a signal', async () => {
  const adapter = client();
  const keys = Array.from({ length: 20 }, () => newName());
  const signals: AbortSignal[] = [];
  const wait = async (key: string): Promise<void> => {
    const abort = new AbortController();
    signals.push(abort.signal);
    await adapter.whenFree?.(key, abort.signal);
    abort.abort();
  };
  for (let round = 0; round < 10; round++) {
    await Promise.all(Array.from({ length: 100 }, (_, i) => wait(keys[i % keys.length]!)));
  }
  expect(signals.flatMap((signal) => getEventListeners(signal, 'abort'))).toEqual([]);
  const mine = await server.query(`SELECT FROM pg_stat_activity WHERE application_name = 'holdfast'`);
  expect(mine.length).toBe(1);
});

it('closing the adapter rejects who waits, and who comes later', async () => {
  const adapter = client();
  const abort = new AbortController();
  const key = newName();
  await adapter.whenFree?.(key, abort.signal);
  const hint = adapter.whenFree?.(key, abort.signal);
  const told = expect(hint).rejects.toMatchObject({ code: 'LOCK_CLOSED' });
  await adapter.close?.();
  await told;
  expect(getEventListeners(abort.signal, 'abort')).toEqual([]);
  await expect(adapter.whenFree?.(key, abort.signal)).rejects.toMatchObject({ code: 'LOCK_CLOSED' });
});
