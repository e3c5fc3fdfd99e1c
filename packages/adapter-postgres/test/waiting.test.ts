import { getEventListeners } from 'node:events';
import type { AcquireAttempt, Granted, LockAdapter } from '@holdfast/lock-core';
import { type PostgresServer, startPostgres } from '@holdfast/testbed';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { createLockSchema, postgresAdapter } from '../src/index.ts';
import { attempt, eventually, grant, newName } from './support.ts';

let server: PostgresServer;
const adapters: LockAdapter[] = [];
beforeAll(async () => {
  server = await startPostgres();
  await createLockSchema({ url: server.url });
});
afterAll(() => server?.stop());
afterEach(async () => {
  for (const adapter of adapters.splice(0)) await adapter.close?.();
});

function client(options: { pooler?: boolean } = {}): LockAdapter {
  const adapter = postgresAdapter({ url: server.url, callTimeoutMs: 20_000, ...options });
  adapters.push(adapter);
  return adapter;
}

interface Waiter {
  readonly attempt: AcquireAttempt;
  readonly granted: Promise<Granted>;
  readonly abort: AbortController;
}

/** Takes a place in the queue, and resolves when it is confirmed. */
async function join(adapter: LockAdapter, key: string, more: Partial<AcquireAttempt> = {}): Promise<Waiter> {
  const abort = new AbortController();
  let queued = false;
  const asked = attempt(key, {
    ...more,
    onQueued: () => {
      queued = true;
    },
  });
  const granted = adapter.enqueue!(asked, abort.signal);
  granted.catch(() => {});
  await eventually('it is queued', () => queued);
  return { attempt: asked, granted, abort };
}

/** Ends the connections that listen, from the server's side; answers how many there were. */
async function cutListeners(): Promise<number> {
  const rows = await server.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE application_name = 'holdfast' AND query LIKE 'LISTEN%' AND pid <> pg_backend_pid()`,
  );
  return rows.length;
}

const listening = `SELECT FROM pg_stat_activity WHERE application_name = 'holdfast' AND query LIKE 'LISTEN %' AND state = 'idle'`;

it('the queue is first in, first out over all processes, and a newcomer does not overtake', async () => {
  const holder = client();
  const held = attempt(newName());
  await grant(holder, held);
  const waiters: Waiter[] = [];
  for (let i = 0; i < 3; i++) waiters.push(await join(client(), held.key));
  await holder.release(held);
  for (const { granted, attempt: asked } of waiters) {
    await granted;
    expect(await holder.tryAcquire(attempt(held.key))).toMatchObject({ status: 'busy' });
    expect((await holder.inspect?.(held.key))?.owner).toBe(asked.owner);
    await holder.release(asked);
  }
  expect(await holder.inspect?.(held.key)).toBeUndefined();
});

it('H38: when the connection that listens is cut, the waiters find the grant, and listen again', async () => {
  const [holder, adapter] = [client(), client()];
  const [first, second] = [attempt(newName()), attempt(newName())];
  await grant(holder, first);
  await grant(holder, second);
  const one = await join(adapter, first.key);
  await eventually('it listens', async () => (await server.query(listening)).length === 1);
  expect(await cutListeners()).toBe(1);
  await holder.release(first);
  await one.granted;
  const two = await join(adapter, second.key);
  await eventually('it listens again', async () => (await server.query(listening)).length === 1);
  await holder.release(second);
  await two.granted;
});

it('H37: a grant before the subscription stands is not missed', async () => {
  const [holder, adapter] = [client(), client()];
  const held = attempt(newName());
  await grant(holder, held);
  const asked = attempt(held.key, { onQueued: () => void holder.release(held) });
  await adapter.enqueue!(asked, new AbortController().signal);
});

it('H42: a waiter that gives up leaves no place, and the next one is served at once', async () => {
  const [holder, adapter] = [client(), client()];
  const held = attempt(newName());
  await grant(holder, held);
  const [one, two] = [await join(adapter, held.key), await join(adapter, held.key)];
  one.abort.abort(new Error('gives up'));
  await expect(one.granted).rejects.toThrow('gives up');
  expect((await holder.inspect?.(held.key))?.waiters).toBe(1);
  await holder.release(held);
  await two.granted;
  expect(getEventListeners(one.abort.signal, 'abort')).toEqual([]);
  expect(getEventListeners(two.abort.signal, 'abort')).toEqual([]);
});

it('H106: the place of an owner that is released meanwhile ends, and is never granted', async () => {
  const [holder, adapter] = [client(), client()];
  const held = attempt(newName());
  await grant(holder, held);
  const waiter = await join(adapter, held.key);
  expect(await adapter.release(waiter.attempt)).toBe('not-held');
  await expect(waiter.granted).rejects.toMatchObject({ code: 'LOCK_LOST' });
  await holder.release(held);
  expect(await holder.inspect?.(held.key)).toBeUndefined();
});

it('H103, H104: five waiters of a dead process cost one waiter lease and one reservation, all together', async () => {
  const [holder, living] = [client(), client()];
  const held = attempt(newName());
  await grant(holder, held);
  const hex = Buffer.from(held.key).toString('hex');
  for (let i = 0; i < 5; i++) {
    await server.query(`SELECT holdfast.ask($1, $2, $3, $3, 60000, 1, 5000, '')`, [hex, `0${i}`, String(2n ** 62n)]);
  }
  const waiter = await join(living, held.key);
  const releasedAt = performance.now();
  await holder.release(held);
  await waiter.granted;
  expect(performance.now() - releasedAt).toBeLessThan(5_000 + 3_000 + 4_000);
});

it('H105: a place that was pruned while its process slept is taken again', async () => {
  const [holder, adapter] = [client(), client()];
  const held = attempt(newName());
  await grant(holder, held);
  const waiter = await join(adapter, held.key);
  await server.query('DELETE FROM holdfast.place');
  await eventually('it queues again', async () => (await holder.inspect?.(held.key))?.waiters === 1);
  await holder.release(held);
  await waiter.granted;
});

it('a hold that nobody renews passes to the head of the queue when its lease is over', async () => {
  const [holder, adapter] = [client(), client()];
  const held = attempt(newName(), { ttlMs: 700 });
  await grant(holder, held);
  const waiter = await join(adapter, held.key);
  await waiter.granted;
  expect(await holder.renew(held, 700)).toEqual({ status: 'lost' });
});

it('through a pooler nobody can listen: it says so, and waiters ask', async () => {
  const [holder, adapter] = [client({ pooler: true }), client({ pooler: true })];
  expect(adapter.capabilities.wakeup).toBe('poll');
  const held = attempt(newName());
  await grant(holder, held);
  const waiter = await join(adapter, held.key);
  await holder.release(held);
  await waiter.granted;
  expect(await server.query(listening)).toEqual([]);
});

it('H43: 300 waits for 20 keys leave one connection that listens, and no place', async () => {
  const adapter = client();
  const keys = Array.from({ length: 20 }, () => newName());
  const wait = async (key: string): Promise<void> => {
    const asked = attempt(key);
    await adapter.enqueue!(asked, new AbortController().signal);
    await adapter.release(asked);
  };
  await Promise.all(Array.from({ length: 300 }, (_, i) => wait(keys[i % keys.length]!)));
  expect(await server.query(`SELECT FROM pg_stat_activity WHERE query LIKE 'LISTEN%'`)).toHaveLength(1);
  const left = await server.query(
    `SELECT FROM (SELECT key FROM holdfast.lock UNION ALL SELECT key FROM holdfast.place UNION ALL SELECT key FROM holdfast.holder) AS rows
     WHERE key = ANY ($1)`,
    [keys.map((key) => Buffer.from(key))],
  );
  expect(left).toEqual([]);
});

it('closing the adapter rejects those who wait', async () => {
  const [holder, adapter] = [client(), client()];
  const held = attempt(newName());
  await grant(holder, held);
  const waiter = await join(adapter, held.key);
  await adapter.close?.();
  await expect(waiter.granted).rejects.toMatchObject({ code: 'LOCK_CLOSED' });
});
