import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type EtcdServer, type RedisTlsServer, startEtcd, startRedisTls } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Address, hostAndPort, parseLockUrl } from '../src/lock-url.ts';
import { reasonFromServers } from '../src/server-answer.ts';
import { start } from './cli/support.ts';

const password = 'tls-S3cret';
let redis: RedisTlsServer;
let stranger: RedisTlsServer;
let etcd: EtcdServer;
let plainEtcd: EtcdServer;
let etcdAuthority = '';

beforeAll(async () => {
  [redis, stranger, etcd, plainEtcd] = await Promise.all([
    startRedisTls({ password }),
    startRedisTls(),
    startEtcd({ tls: true }),
    startEtcd(),
  ]);
  etcdAuthority = join(dirname(redis.authorityFile), 'etcd.pem');
  writeFileSync(etcdAuthority, etcd.certificate!);
});
afterAll(async () => {
  for (const server of [redis, stranger, etcd, plainEtcd]) await server?.stop();
});

const urls: Record<string, () => string> = {
  ioredis: () => `rediss+ioredis://:${password}@127.0.0.1:${redis.tlsPort}`,
  'node-redis': () => `rediss+node-redis://:${password}@127.0.0.1:${redis.tlsPort}`,
  redlock: () => `redlock://:${password}@127.0.0.1:${redis.tlsPort}?tls=true`,
  etcd: () => `etcd://127.0.0.1:${etcd.port}?tls=true`,
};

/** In a process of its own, since Node reads the authorities that it trusts when it starts. */
const runLocked = (url: string, authority: string | undefined, key = 'k') =>
  start(['run', key, '--url', url, '--try', '--', process.execPath, '-e', 'console.log("under the lock")'], {
    ...(authority === undefined ? {} : { NODE_EXTRA_CA_CERTS: authority }),
  }).ended;

describe.each(Object.entries(urls))('TLS by URL, %s', (name, url) => {
  it('a certificate of an authority that Node trusts', async () => {
    const { code, stdout, stderr } = await runLocked(
      url(),
      name === 'etcd' ? etcdAuthority : redis.authorityFile,
      name,
    );
    expect(stdout, stderr).toContain('under the lock');
    expect(code).toBe(0);
    expect(stderr).not.toContain(password);
  });

  it.each(['nobody it knows', 'another authority'])(
    'the certificate is from %s: no lock, and no secret shown',
    async (who) => {
      const { code, stdout, stderr } = await runLocked(
        url(),
        who === 'another authority' ? stranger.authorityFile : undefined,
      );
      expect(code).toBe(69);
      expect(stdout).toBe('');
      expect(stderr).toMatch(
        /^holdfast: .* has a TLS certificate that is not trusted here\. .*NODE_EXTRA_CA_CERTS.*\n$/,
      );
      expect(stderr).not.toContain(password);
    },
  );
});

it.each([
  [
    'a certificate for another host',
    () => `rediss+ioredis://:${password}@localhost:${redis.tlsPort}`,
    'for another host',
  ],
  ['no TLS to a TLS port', () => `redis+node-redis://:${password}@127.0.0.1:${redis.tlsPort}`, 'speaks TLS there'],
  ['no TLS to an etcd with TLS', () => `etcd://127.0.0.1:${etcd.port}`, 'speaks TLS there'],
  ['TLS to an etcd without', () => `etcd://127.0.0.1:${plainEtcd.port}?tls=true`, 'does not seem to speak TLS'],
])('%s: no lock, and the reason', async (_, url, reason) => {
  const { code, stdout, stderr } = await runLocked(url(), redis.authorityFile);
  expect(code).toBe(69);
  expect(stdout).toBe('');
  expect(stderr).toContain(reason);
  expect(stderr).not.toContain(password);
});

it('the doctor says so too', async () => {
  const { code, stdout } = await start(['doctor', urls['node-redis']!(), '--json']).ended;
  expect(code).toBe(69);
  expect(JSON.parse(stdout).findings).toEqual([
    expect.objectContaining({
      what: 'The server has a TLS certificate that is not trusted here.',
      remedy: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
    }),
  ]);
  expect(stdout).not.toContain(password);
});

it('several servers: a certificate ends the hope for as many as are needed (H130)', async () => {
  const nobody = { host: '127.0.0.1', port: 1 };
  const untrusted = { host: '127.0.0.1', port: stranger.tlsPort };
  const told = (servers: readonly Address[], scheme: string) =>
    reasonFromServers(servers, true, parseLockUrl(`${scheme}://${servers.map(hostAndPort).join(',')}`));
  const other = { host: '127.0.0.1', port: redis.tlsPort };
  const what = expect.stringContaining(`not trusted here: the server 127.0.0.1:${stranger.tlsPort}.`);
  expect(await told([nobody, untrusted], 'rediss+cluster')).toMatchObject({ what, retryable: true });
  expect(await told([untrusted, other], 'rediss+cluster')).toMatchObject({ what, retryable: false });
  expect(await told([nobody, nobody, untrusted], 'redlock')).toMatchObject({ what, retryable: true });
  expect(await told([nobody, untrusted, other], 'redlock')).toMatchObject({ what, retryable: false });
});
