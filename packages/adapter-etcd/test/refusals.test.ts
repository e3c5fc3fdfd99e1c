import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as net from 'node:net';
import { createLocks, type LockError } from '@holdfast/lock-core';
import { type EtcdServer, startEtcd, startEtcdCluster, startRedis } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type EtcdLockOptions, etcdAdapter } from '../src/index.ts';
import { adapterOf, attemptFor, clientOf, eventually, hostOf, newName } from './support/etcd.ts';

let server: EtcdServer;
let secure: EtcdServer;
beforeAll(async () => {
  [server, secure] = await Promise.all([startEtcd(), startEtcd({ tls: true })]);
});
afterAll(() => Promise.all([server.stop(), secure.stop()]));

async function listening(listener: Server | net.Server): Promise<string> {
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void listener.close());
  return `127.0.0.1:${(listener.address() as AddressInfo).port}`;
}

/** The error of an acquire, with the time that it took. */
async function failure(options: EtcdLockOptions): Promise<{ error: LockError; tookMs: number }> {
  const locks = createLocks(etcdAdapter(options), { backendTimeoutMs: 1_500 });
  onTestFinished(() => locks.close());
  const startedAt = performance.now();
  const error = await locks.acquire('k').then(
    () => undefined,
    (reason: LockError) => reason,
  );
  return { error: error!, tookMs: performance.now() - startedAt };
}

describe('an address at which there is no etcd that can be used', () => {
  it.each<[string, () => Promise<EtcdLockOptions>, RegExp]>([
    [
      'a Redis',
      async () => {
        const redis = await startRedis();
        onTestFinished(() => redis.stop());
        return { hosts: hostOf(redis) };
      },
      /not etcd/,
    ],
    [
      'an HTTP/1 server',
      async () => ({ hosts: await listening(createServer((_, response) => response.end())) }),
      /not etcd/,
    ],
    [
      'an SSH server',
      async () => ({ hosts: await listening(net.createServer((s) => s.write('SSH-2.0-x\r\n'))) }),
      /not etcd/,
    ],
    ['TLS to a server of plain text', async () => ({ hosts: hostOf(server), tls: true }), /does not use TLS/],
    ['plain text to a TLS server', async () => ({ hosts: hostOf(secure) }), /uses TLS/],
    [
      'a certificate that nobody vouches for',
      async () => ({ hosts: hostOf(secure), tls: true }),
      /self-signed certificate/,
    ],
  ])('(H130) %s: refused at once, and told what it is', async (_, options, words) => {
    const given = await options();
    const { error, tookMs } = await failure(given);
    expect(error).toMatchObject({ code: 'LOCK_BACKEND', retryable: false });
    expect(error.message).toMatch(words);
    expect(error.message).toContain(given.hosts);
    expect(error.message).not.toContain('does not answer');
    expect(tookMs).toBeLessThan(1_400);
  });

  it.each<[string, () => Promise<string>]>([
    ['nothing listens', async () => '127.0.0.1:1'],
    ['connections are accepted and closed', () => listening(net.createServer((socket) => socket.destroy()))],
    ['connections are accepted and nothing is said', () => listening(net.createServer())],
  ])('(H130) %s: that may pass, so it is retried until the time is up', async (_, address) => {
    const { error, tookMs } = await failure({ hosts: await address(), callTimeoutMs: 500 });
    expect(error).toMatchObject({ code: 'LOCK_BACKEND', retryable: true });
    expect(tookMs).toBeGreaterThan(1_000);
  });

  it('(H130) one wrong address among the members: the others are asked', async () => {
    const wrong = await listening(createServer((_, response) => response.end()));
    const locks = createLocks(adapterOf(server, { hosts: [wrong, hostOf(server)] }));
    expect((await locks.acquire(newName())).state).toBe('held');
    const { error } = await failure({ hosts: [wrong, wrong] });
    expect(error).toMatchObject({ code: 'LOCK_BACKEND', retryable: false });
  });
});

describe('an etcd that refuses a request', () => {
  it('(H130) out of space: refused at once with the remedy; the locks that are held can be released', async () => {
    const full = await startEtcd({ args: ['--quota-backend-bytes', String(16 * 1024 * 1024)] });
    onTestFinished(() => full.stop());
    const adapter = adapterOf(full);
    const attempt = attemptFor(newName());
    await adapter.tryAcquire(attempt);
    const raw = clientOf(full);
    const value = Buffer.alloc(1024 * 1024, 'x');
    await eventually('etcd is full', () =>
      raw.kv.put({ key: Buffer.from('fill'), value }).then(
        () => false,
        (error: Error) => error.message.includes('space exceeded'),
      ),
    );
    await expect(adapter.tryAcquire(attemptFor(newName()))).rejects.toMatchObject({
      code: 'LOCK_BACKEND',
      retryable: false,
      message: expect.stringMatching(/database space exceeded.*alarm disarm/),
    });
    expect((await adapter.renew(attempt, 30_000)).status).toBe('renewed');
    await expect(adapter.downgrade!(attempt, 30_000)).rejects.toMatchObject({ code: 'LOCK_BACKEND', retryable: false });
    // What was refused has changed nothing, and this still takes no space.
    expect((await adapter.renew({ ...attempt, claim: { mode: 'shared' } }, 30_000)).status).toBe('renewed');
    expect(await adapter.release(attempt)).toBe('released');
  }, 40_000);

  it('(H130) a request that is too large: refused at once, and nothing is left', async () => {
    const small = await startEtcd({ args: ['--max-request-bytes', '2048'] });
    onTestFinished(() => small.stop());
    const error = await adapterOf(small)
      .tryAcquire(attemptFor('n'.repeat(4_000)))
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'LOCK_BACKEND', retryable: false });
    expect(String(error)).toContain('too large');
  });

  it('a cluster without a quorum does not answer: that is retried, and the lock follows the quorum', async () => {
    const cluster = await startEtcdCluster();
    onTestFinished(() => cluster.stop());
    const [first, second] = cluster.members;
    await Promise.all([first!.kill(), second!.kill()]);
    const hosts = cluster.members.map(hostOf);
    const { error } = await failure({ hosts });
    expect(error).toMatchObject({ code: 'LOCK_BACKEND', retryable: true });
    await Promise.all([first!.restart(), second!.restart()]);
    const locks = createLocks(adapterOf(cluster.members));
    expect((await locks.acquire(newName())).state).toBe('held');
  }, 60_000);
});

describe('options', () => {
  it('an unknown option is refused with the one that was meant', () => {
    expect(() => etcdAdapter({ callTimeout: 100 } as EtcdLockOptions)).toThrow('did you mean callTimeoutMs?');
    expect(() => etcdAdapter({ host: '127.0.0.1:1' } as EtcdLockOptions)).toThrow('did you mean hosts?');
    // Each would otherwise be no options, and so lead to the default address.
    for (const wrong of [Promise.resolve({}), new URL('http://127.0.0.1:2379'), () => {}, null, 2379])
      expect(() => etcdAdapter(wrong as EtcdLockOptions)).toThrow('options must be an object');
  });

  it.each([
    ['nothing', null],
    ['a mock', {}],
    ['a URL', 'etcd://127.0.0.1:2379'],
    ['a Redis client', { get() {}, set() {} }],
  ])('%s in the place of the client is refused', (_, client) => {
    expect(() => etcdAdapter({ client } as unknown as EtcdLockOptions)).toThrow(/client must be an Etcd3/);
  });
});
