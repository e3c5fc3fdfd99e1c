import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type EtcdServer, type RedisTlsServer, startEtcd, startRedisTls } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { start } from './cli/support.ts';

const password = 'tls-S3cret';
let redis: RedisTlsServer;
let stranger: RedisTlsServer;
let etcd: EtcdServer;
let etcdAuthority = '';

beforeAll(async () => {
  [redis, stranger, etcd] = await Promise.all([startRedisTls({ password }), startRedisTls(), startEtcd({ tls: true })]);
  etcdAuthority = join(dirname(redis.authorityFile), 'etcd.pem');
  writeFileSync(etcdAuthority, etcd.certificate!);
});
afterAll(async () => {
  for (const server of [redis, stranger, etcd]) await server?.stop();
});

const short = 'backendTimeout=2s';
const urls: Record<string, () => string> = {
  ioredis: () => `rediss+ioredis://:${password}@127.0.0.1:${redis.tlsPort}?${short}`,
  'node-redis': () => `rediss+node-redis://:${password}@127.0.0.1:${redis.tlsPort}?${short}`,
  redlock: () => `redlock://:${password}@127.0.0.1:${redis.tlsPort}?tls=true&${short}`,
  etcd: () => `etcd://127.0.0.1:${etcd.port}?tls=true&${short}`,
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
      expect(code).not.toBe(0);
      expect(stdout).toBe('');
      expect(stderr).not.toContain(password);
    },
  );
});

it('a certificate for another host name is refused', async () => {
  const { code, stdout } = await runLocked(
    `rediss+ioredis://:${password}@localhost:${redis.tlsPort}?${short}`,
    redis.authorityFile,
  );
  expect(code).not.toBe(0);
  expect(stdout).toBe('');
});
