import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createLocks, isLockError } from '@holdfast/lock-core';
import { startEtcd } from '@holdfast/testbed';
import { Etcd3, Role, User } from 'etcd3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { etcdAdapter, openEtcd } from '../src/index.ts';
import { adapterOf, attemptFor, clientOf, hostOf, newName, placesOf, waitIn } from './support/etcd.ts';

async function started(options: Parameters<typeof startEtcd>[0] = {}) {
  const server = await startEtcd(options);
  onTestFinished(() => server.stop());
  return server;
}

describe('reaching etcd', () => {
  it('TLS with the certificate to trust; without it no connection', async () => {
    const server = await started({ tls: true });
    const target = { hosts: [hostOf(server)], tls: true };
    await using locks = createLocks(openEtcd(target, { tls: { ca: server.certificate } }));
    await using lock = await locks.acquire('k');
    expect(lock.state).toBe('held');
    await using others = createLocks(openEtcd(target), { backendTimeoutMs: 500 });
    // No repetition makes the certificate trusted.
    await expect(others.acquire('k')).rejects.toMatchObject({ code: 'LOCK_BACKEND', retryable: false });
  });

  it('user and password; a wrong one, or too few rights, is a definite answer without the password in it', async () => {
    const server = await started();
    const root = clientOf(server);
    await new Role(authOf(root), 'root').create();
    const rootUser = await createUser(root, 'root', 'topsecret');
    await rootUser.addRole('root');
    const role = new Role(authOf(root), 'locker');
    await role.create();
    await role.grant({ permission: 'Readwrite', range: root.range({ prefix: 'locks/' }) });
    await (await createUser(root, 'app', 's3cret')).addRole('locker');
    await authOf(root).authEnable();

    const host = hostOf(server);
    await using locks = createLocks(openEtcd({ hosts: [host], username: 'app', password: 's3cret' }));
    await using lock = await locks.acquire('k', { ttlMs: 1_000 });
    await lock.renew();
    const waiter = createLocks(openEtcd({ hosts: [host], username: 'app', password: 's3cret' }));
    const waiting = waiter.acquire('k');
    await lock.release();
    await (await waiting).release();
    await waiter.close();
    for (const target of [
      { hosts: [host], username: 'app', password: 'wr0ng' },
      { hosts: [host], username: 'nobody', password: 'wr0ng' },
      { hosts: [host], username: 'app', password: 's3cret', prefix: 'elsewhere/' },
    ]) {
      await using refused = createLocks(openEtcd(target), { backendTimeoutMs: 1_000 });
      const error = await refused.acquire('k').catch((reason: unknown) => reason);
      expect(isLockError(error, 'LOCK_BACKEND') && !error.retryable).toBe(true);
      expect(JSON.stringify([String(error), (error as Error).stack, (error as Error).cause])).not.toMatch(
        /s3cret|wr0ng/,
      );
    }
  });

  it('a client of the caller’s is used and never closed', async () => {
    const server = await started();
    const client = clientOf(server);
    const adapter = etcdAdapter({ client });
    await adapter.tryAcquire(attemptFor('k'));
    await adapter.close!();
    expect(await client.get('k').string()).toBeNull();
  });

  it('options that make no sense are refused at once', () => {
    const bad = [
      { hosts: [] },
      { hosts: 5 },
      { hosts: { 0: '127.0.0.1:1' } },
      { prefix: '' },
      { callTimeoutMs: 0 },
      { callTimeoutMs: 60_000 },
      { username: 'a' },
      { tls: { cert: 'x' } },
      { ttl: 3 },
      { client: new Etcd3({ hosts: '127.0.0.1:1' }), hosts: '127.0.0.1:2' },
    ];
    for (const options of bad) {
      expect(() => etcdAdapter(options as Parameters<typeof etcdAdapter>[0])).toThrow(
        expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT' }),
      );
    }
  });
});

describe('closing', () => {
  it('a frozen server: the waiter is told LOCK_CLOSED, close ends in the time of a call', async () => {
    const server = await started();
    const adapter = adapterOf(server, { callTimeoutMs: 1_000 });
    const name = newName();
    await adapter.tryAcquire(attemptFor(name));
    const { waiting } = await waitIn(adapter, name);
    server.freeze();
    const rejected = expect(waiting).rejects.toMatchObject({ code: 'LOCK_CLOSED' });
    const closingAt = performance.now();
    await adapter.close!();
    await rejected;
    expect(performance.now() - closingAt).toBeLessThan(4_000);
    await expect(adapter.tryAcquire(attemptFor(name))).rejects.toMatchObject({ code: 'LOCK_CLOSED' });
  });

  it('H42: an adapter that is closed while many wait leaves none of their places', async () => {
    const server = await started();
    const [holder, adapter] = [adapterOf(server), adapterOf(server)];
    const name = newName();
    await holder.tryAcquire(attemptFor(name));
    const waiters = await Promise.all(Array.from({ length: 70 }, () => waitIn(adapter, name)));
    const ends = waiters.map(({ waiting }) => expect(waiting).rejects.toMatchObject({ code: 'LOCK_CLOSED' }));
    await adapter.close!();
    await Promise.all(ends);
    expect(await placesOf(clientOf(server), name)).toHaveLength(1);
  });

  it('H55: nothing keeps the process alive after close, the server being up, frozen or gone', async () => {
    for (const fate of ['up', 'freeze', 'kill'] as const) {
      const server = await started();
      const child = fork(new URL('./support/closer.ts', import.meta.url), [String(server.port)], {
        execArgv: ['--import', 'tsx'],
      });
      onTestFinished(() => void child.kill('SIGKILL'));
      await once(child, 'message');
      if (fate !== 'up') await server[fate]();
      const exited = once(child, 'exit');
      child.send('close');
      const sentAt = performance.now();
      const [code] = await exited;
      expect([fate, code]).toEqual([fate, 0]);
      expect(performance.now() - sentAt).toBeLessThan(15_000);
    }
  }, 60_000);
});

const authOf = (client: Etcd3): Etcd3['auth'] => client.auth;

async function createUser(client: Etcd3, name: string, password: string): Promise<User> {
  return new User(authOf(client), name).create(password);
}
