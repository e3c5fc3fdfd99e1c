import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createLocks, type Locks } from '@holdfast/lock-core';
import {
  faultProxy,
  type PostgresServer,
  startPgbouncer,
  startPostgres,
  startPostgresStandby,
} from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLockSchema, postgresAdapter } from '../src/index.ts';
import { attempt, eventually, grant, newName } from './support.ts';

const options = { callTimeoutMs: 5_000 };

describe('on one server', () => {
  let server: PostgresServer;
  const opened: Locks[] = [];
  beforeAll(async () => {
    server = await startPostgres();
    await createLockSchema({ url: server.url });
  });
  afterAll(async () => {
    for (const locks of opened) await locks.close();
    await server?.stop();
  });

  function open(url = server.url): Locks {
    const locks = createLocks(postgresAdapter({ url, ...options }), { ttlMs: 20_000, backendTimeoutMs: 20_000 });
    opened.push(locks);
    return locks;
  }
  const terminate = () =>
    server.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holdfast' AND pid <> pg_backend_pid()`,
    );

  it('all sessions are terminated: holds stand, waiters keep their places and get the key', async () => {
    const [one, two] = [open(), open()];
    const key = newName();
    const lock = await one.acquire(key);
    const next = two.acquire(key);
    await eventually('it waits', async () => (await one.inspect(key))?.waiters === 1);
    await terminate();
    await lock.renew();
    expect((await one.inspect(key))?.waiters).toBe(1);
    await terminate();
    expect(await lock.release()).toBe('released');
    expect((await next).state).toBe('held');
    await (await next).release();
  });

  it('the server stops for a while, then goes on: so do a hold and a waiter', async () => {
    const [one, two] = [open(), open()];
    const key = newName();
    const lock = await one.acquire(key);
    const next = two.acquire(key);
    await eventually('it waits', async () => (await one.inspect(key))?.waiters === 1);
    server.freeze();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(lock.state).toBe('held');
    server.thaw();
    expect(await lock.release()).toBe('released');
    await (await next).release();
  });

  it('the server is killed and restarts: holds and the queue are as they were', async () => {
    const [one, two] = [open(), open()];
    const key = newName();
    const lock = await one.acquire(key, { autoRenew: false });
    const next = two.acquire(key);
    await eventually('it waits', async () => (await one.inspect(key))?.waiters === 1);
    await server.kill();
    await server.restart();
    await eventually('the place is there', async () => (await one.inspect(key))?.waiters === 1);
    await lock.renew();
    expect(await lock.release()).toBe('released');
    expect((await next).fencingToken).toBeGreaterThan(lock.fencingToken!);
    await (await next).release();
  });

  it('H116: what nobody wants any more, before there is a connection for it, is not sent', async () => {
    const adapter = postgresAdapter({ url: server.url, maxConnections: 1, ...options });
    const [first, given] = [attempt(newName()), new AbortController()];
    await grant(adapter, first);
    const later = { ...attempt(newName()), signal: given.signal };
    server.freeze();
    const renewing = adapter.renew(first, 60_000);
    const asking = expect(adapter.tryAcquire(later)).rejects.toMatchObject({ notSent: true, retryable: true });
    given.abort();
    await asking;
    server.thaw();
    expect(await renewing).toMatchObject({ status: 'renewed' });
    expect(await adapter.inspect?.(later.key)).toBeUndefined();
    expect(await adapter.release(first)).toBe('released');
    await adapter.close?.();
  });

  it.each(['killed', 'frozen'])('H116: nothing is cleaned up of requests while the server is %s', async (how) => {
    const locks = createLocks(postgresAdapter({ url: server.url, callTimeoutMs: 200 }), { backendTimeoutMs: 1_000 });
    const cleanUps = new Set<string>();
    const note = (message: unknown): void => {
      const { owner, outcome } = message as { owner: string; outcome: string };
      if (outcome === 'begun') cleanUps.add(owner);
      else cleanUps.delete(owner);
    };
    if (how === 'killed') await server.kill();
    else {
      await (await locks.acquire(newName())).release();
      server.freeze();
      // The connection that stands takes a request yet.
      await expect(locks.acquire(newName())).rejects.toMatchObject({ code: 'LOCK_BACKEND' });
    }
    subscribe('holdfast:reap', note);
    try {
      const asked = Array.from({ length: 20 }, (_, i) =>
        expect(i % 2 === 0 ? locks.acquire(newName()) : locks.tryAcquire(newName())).rejects.toMatchObject({
          code: 'LOCK_BACKEND',
        }),
      );
      await Promise.all(asked);
      await eventually('no release is under way', async () => cleanUps.size === 0);
    } finally {
      if (how === 'killed') await server.restart();
      else server.thaw();
    }
    unsubscribe('holdfast:reap', note);
    await (await locks.acquire(newName())).release();
    await locks.close();
  });

  it('answers are lost, then the connection: one lock, one place, and nothing is left', async () => {
    const proxy = await faultProxy(server);
    const locks = open(server.url.replace(`:${server.port}/`, `:${proxy.port}/`));
    const key = newName();
    await (await locks.acquire(newName())).release();
    proxy.hold('to-client');
    const acquiring = locks.acquire(key);
    await eventually('the server has done it', async () => (await open().inspect(key)) !== undefined);
    proxy.cut();
    await proxy.heal();
    const lock = await acquiring;
    expect(await lock.release()).toBe('released');
    await eventually('nothing is left', async () => (await open().inspect(key)) === undefined);
    await locks.close();
    await proxy.close();
  });

  it('through PgBouncer in transaction mode: it polls, in order; without the option the error says what to do', async () => {
    await using pooler = await startPgbouncer(server);
    const adapters = [1, 2, 3].map(() => postgresAdapter({ url: pooler.url, pooler: true, ...options }));
    const locks = adapters.map((adapter) => createLocks(adapter, { backendTimeoutMs: 20_000 }));
    expect(adapters[0]?.capabilities).toMatchObject({ wakeup: 'poll', fairness: 'fifo' });
    const key = newName();
    const lock = await locks[0]!.acquire(key);
    const order: number[] = [];
    const waiting = [];
    for (const nth of [1, 2]) {
      waiting.push(
        locks[nth]!.using(key, async () => {
          order.push(nth);
        }),
      );
      await eventually('it waits', async () => (await locks[0]!.inspect(key))?.waiters === nth);
    }
    await lock.renew();
    await lock.release();
    await Promise.all(waiting);
    expect(order).toEqual([1, 2]);
    for (const each of locks) await each.close();
    const direct = postgresAdapter({ url: pooler.url, ...options });
    await expect(direct.tryAcquire(attempt(key))).rejects.toMatchObject({
      retryable: false,
      message: expect.stringContaining('`pooler`'),
    });
    await direct.close?.();
  });
});

describe('a failover to a standby', () => {
  async function promote(standby: PostgresServer): Promise<void> {
    await standby.query('SELECT pg_promote(false)');
    await eventually('it is promoted', async () => {
      const [row] = await standby.query('SELECT pg_is_in_recovery() AS is_standby');
      return row?.is_standby === false;
    });
  }

  it('that every commit waits for forgets no lock, and tokens rise', { timeout: 60_000 }, async () => {
    await using primary = await startPostgres();
    await createLockSchema({ url: primary.url });
    await using standby = await startPostgresStandby(primary);
    await primary.query(`ALTER SYSTEM SET synchronous_standby_names = 'standby'`);
    await primary.query('SELECT pg_reload_conf()');
    await eventually('it is synchronous', async () => {
      const [row] = await primary.query('SELECT sync_state FROM pg_stat_replication');
      return row?.sync_state === 'sync';
    });
    const before = postgresAdapter({ url: primary.url, survivesFailover: true, ...options });
    const held = attempt(newName());
    const { fencingToken } = await grant(before, held);
    await primary.kill();
    await promote(standby);
    const after = postgresAdapter({ url: standby.url, survivesFailover: true, ...options });
    expect(await after.tryAcquire(attempt(held.key))).toMatchObject({ status: 'busy' });
    expect(await after.renew(held, 60_000)).toMatchObject({ status: 'renewed' });
    expect(await after.release(held)).toBe('released');
    expect((await grant(after, attempt(held.key))).fencingToken).toBeGreaterThan(fencingToken!);
    await before.close?.();
    await after.close?.();
  });

  it('that lags may forget locks, but tokens rise all the same', { timeout: 60_000 }, async () => {
    await using primary = await startPostgres();
    await createLockSchema({ url: primary.url });
    await using standby = await startPostgresStandby(primary);
    await eventually('it streams', async () => (await primary.query('SELECT FROM pg_stat_replication')).length === 1);
    const before = postgresAdapter({ url: primary.url, ...options });
    await standby.query(`ALTER SYSTEM SET primary_conninfo = ''`);
    await standby.query('SELECT pg_reload_conf()');
    await eventually(
      'it is cut off',
      async () => (await primary.query('SELECT FROM pg_stat_replication')).length === 0,
    );
    const key = newName();
    let last = 0n;
    // More than the sequence writes to the log ahead of time.
    for (let i = 0; i < 40; i++) {
      const each = attempt(newName());
      last = (await grant(before, each)).fencingToken!;
      await before.release(each);
    }
    const held = attempt(key);
    last = (await grant(before, held)).fencingToken!;
    const after = postgresAdapter({ url: standby.url, ...options });
    await expect(after.tryAcquire(attempt(key))).rejects.toMatchObject({
      code: 'LOCK_BACKEND',
      retryable: true,
      message: expect.stringMatching(/read-only.*primary/),
    });
    await primary.kill();
    await promote(standby);
    const next = await grant(after, attempt(key));
    expect(next.fencingToken).toBeGreaterThan(last);
    expect(await after.renew(held, 60_000)).toEqual({ status: 'lost' });
    await before.close?.();
    await after.close?.();
  });
});
