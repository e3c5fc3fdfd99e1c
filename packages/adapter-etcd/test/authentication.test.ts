import { setTimeout as sleep } from 'node:timers/promises';
import { createLocks } from '@holdfast/lock-core';
import { type EtcdOptions, type EtcdServer, type EtcdUsers, enableEtcdUsers, startEtcd } from '@holdfast/testbed';
import { Etcd3 } from 'etcd3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { adapterOf, attemptFor, hostOf, metric, newName, waitIn } from './support/etcd.ts';

const app = { username: 'app', password: 'p' };

async function withUsers(options: EtcdOptions = {}): Promise<{ server: EtcdServer; users: EtcdUsers }> {
  const server = await startEtcd(options);
  onTestFinished(() => server.stop());
  return { server, users: await enableEtcdUsers(server) };
}

const started = (server: EtcdServer, method: string) =>
  metric(server, new RegExp(`^grpc_server_started_total\\{grpc_method="${method}"`));

describe('tokens that etcd no longer accepts', () => {
  it('(H126) simple tokens that expire: calls, keep-alives, watches and releases go on with a new one', async () => {
    const { server } = await withUsers({ authTokenTtlSeconds: 2 });
    const [one, two] = [createLocks(adapterOf(server, app)), createLocks(adapterOf(server, app))];
    const name = newName();
    const lock = await one.acquire(name, { ttlMs: 15_000 });
    const waiting = two.acquire(name);
    // Nothing renews this lock meanwhile, so that the token of its adapter expires.
    await sleep(4_500);
    expect(await lock.release()).toBe('released');
    const next = await waiting;
    expect(next.fencingToken).toBeGreaterThan(lock.fencingToken!);
    await sleep(4_000);
    expect(next.state).toBe('held');
    expect(await next.release()).toBe('released');
    expect(await two.inspect(name)).toBeUndefined();
  }, 40_000);

  it('(H126) waiters whose token has expired cost a new token and a new stream, not a loop of requests', async () => {
    const { server } = await withUsers({ authTokenTtlSeconds: 2 });
    const [holder, standby] = [createLocks(adapterOf(server, app)), adapterOf(server, app)];
    const names = Array.from({ length: 20 }, newName);
    for (const name of names) await holder.acquire(name);
    await waitIn(standby, names[0]!);
    await sleep(4_500);
    const authenticated = await started(server, 'Authenticate');
    await Promise.all(names.slice(1).map((name) => waitIn(standby, name)));
    await sleep(1_500);
    // The token of the holder may expire in the same time.
    expect((await started(server, 'Authenticate')) - authenticated).toBeLessThanOrEqual(3);
    const asked = async () => (await started(server, 'Txn')) + (await started(server, 'Range'));
    const before = await asked();
    await sleep(3_000);
    expect((await asked()) - before).toBeLessThan(40);
  }, 40_000);

  it('(H126) JWT: an administrator adds a user; holds, waits and releases go on, with one new token for 50 calls', async () => {
    const { server, users } = await withUsers({ authToken: 'jwt' });
    const [one, two] = [createLocks(adapterOf(server, app), { ttlMs: 3_000 }), createLocks(adapterOf(server, app))];
    const held = await one.acquire(newName());
    const waiting = two.acquire(held.key);
    await sleep(200);
    await users.call('auth/user/add', { name: 'somebody', password: 'x' });
    const authenticated = await started(server, 'Authenticate');
    const locks = await Promise.all(Array.from({ length: 50 }, () => one.acquire(newName())));
    expect((await started(server, 'Authenticate')) - authenticated).toBeLessThanOrEqual(3);
    expect(new Set(locks.map(({ state }) => state))).toEqual(new Set(['held']));
    await sleep(4_000);
    expect(held.state).toBe('held');
    expect(await held.release()).toBe('released');
    expect((await waiting).state).toBe('held');
  }, 40_000);

  it('(H126) a client of the caller’s with its own credentials goes on after a new user as well', async () => {
    const { server, users } = await withUsers({ authToken: 'jwt' });
    const client = new Etcd3({ hosts: hostOf(server), auth: app });
    onTestFinished(() => client.close());
    const adapter = adapterOf(server, { client });
    const attempt = attemptFor(newName());
    await adapter.tryAcquire(attempt);
    await users.call('auth/user/add', { name: 'somebody', password: 'x' });
    expect((await adapter.renew(attempt, 30_000)).status).toBe('renewed');
    await users.call('auth/user/add', { name: 'other', password: 'x' });
    expect(await adapter.release(attempt)).toBe('released');
  });

  it('(H126) authentication is turned on and off while the adapter runs', async () => {
    const server = await startEtcd();
    onTestFinished(() => server.stop());
    const adapter = adapterOf(server, app);
    const [first, second] = [attemptFor(newName()), attemptFor(newName())];
    expect((await adapter.tryAcquire(first)).status).toBe('granted');
    const users = await enableEtcdUsers(server);
    expect((await adapter.tryAcquire(second)).status).toBe('granted');
    expect((await adapter.renew(first, 30_000)).status).toBe('renewed');
    await users.call('auth/disable');
    expect(await adapter.release(first)).toBe('released');
    expect(await adapter.release(second)).toBe('released');
  });
});

describe('users that etcd refuses', () => {
  it.each([
    ['no user', {}, 'user name is empty'],
    ['a wrong password', { username: 'app', password: 'wr0ng' }, 'authentication failed'],
    ['another prefix', { ...app, prefix: 'elsewhere/' }, 'permission denied'],
  ] as const)('(H130) %s: refused at once, in the words of etcd, without the password', async (_, options, words) => {
    const { server } = await withUsers();
    const locks = createLocks(adapterOf(server, options));
    const startedAt = performance.now();
    for (const call of ['acquire', 'tryAcquire', 'inspect', 'forceRelease'] as const) {
      const error = await locks[call]('k').catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'LOCK_BACKEND', retryable: false });
      expect(String(error)).toContain(words);
      expect(String(error)).not.toContain('wr0ng');
    }
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });

  it('(H115, H126) a role that is revoked and granted again: the release that was refused takes effect', async () => {
    const { server, users } = await withUsers();
    const [adapter, other] = [adapterOf(server, app), adapterOf(server, { username: 'root', password: 'r' })];
    const attempt = attemptFor(newName(), { ttlMs: 60_000 });
    await adapter.tryAcquire(attempt);
    await users.call('auth/user/revoke', { name: 'app', role: 'locker' });
    await expect(adapter.release(attempt)).rejects.toMatchObject({ code: 'LOCK_BACKEND', retryable: false });
    await users.call('auth/user/grant', { user: 'app', role: 'locker' });
    expect((await createLocks(other).acquire(attempt.key, { waitMs: 10_000 })).state).toBe('held');
  }, 30_000);

  it('(H115) a key that etcd refuses to delete ends with its TTL, although its process asks for more locks and waits', async () => {
    const { server, users } = await withUsers();
    const client = new Etcd3({ hosts: hostOf(server), auth: app });
    onTestFinished(() => client.close());
    const txn: Etcd3['kv']['txn'] = async (request, options) => {
      // As an etcd that also checks the rights of a transaction within another one, which 3.4 does not.
      const isNested = request.success?.some((each) => 'request_txn' in each);
      return client.kv.txn(
        isNested ? { success: [{ request_range: { key: Buffer.from('other') } }] } : request,
        options,
      );
    };
    const kv = Object.create(client.kv, { txn: { value: txn } });
    const adapter = adapterOf(server, { client: Object.create(client, { kv: { value: kv } }) });
    const other = createLocks(adapterOf(server, { username: 'root', password: 'r' }));
    const held = await other.acquire(newName());
    const attempt = attemptFor(newName(), { ttlMs: 2_000 });
    await adapter.tryAcquire(attempt);
    const { waiting } = await waitIn(adapter, held.key, { ttlMs: 2_000 });
    const waited = expect(waiting).rejects.toThrow();
    await users.call('auth/user/revoke', { name: 'app', role: 'locker' });
    await expect(adapter.release(attempt)).rejects.toMatchObject({ code: 'LOCK_BACKEND', retryable: false });
    const asking = setInterval(() => adapter.tryAcquire(attemptFor(newName(), { ttlMs: 2_000 })).catch(() => {}), 200);
    onTestFinished(() => clearInterval(asking));
    expect((await other.acquire(attempt.key, { waitMs: 10_000 })).state).toBe('held');
    await waited;
  }, 30_000);

  it('a password that was changed: refused at once after the token has gone', async () => {
    const { server, users } = await withUsers();
    const adapter = adapterOf(server, app);
    await adapter.tryAcquire(attemptFor(newName()));
    await users.call('auth/user/changepw', { name: 'app', password: 'new' });
    await expect(adapter.tryAcquire(attemptFor(newName()))).rejects.toMatchObject({
      code: 'LOCK_BACKEND',
      retryable: false,
    });
    const again = adapterOf(server, { username: 'app', password: 'new' });
    expect((await again.tryAcquire(attemptFor(newName()))).status).toBe('granted');
  });
});
