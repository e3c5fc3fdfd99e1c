import { execFile } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import {
  type EtcdServer,
  type PostgresServer,
  type RedisServer,
  startEtcd,
  startPostgres,
  startRedis,
  startZookeeper,
  type ZookeeperServer,
} from '@holdfast/testbed';
import { openLocks } from 'holdfast';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { observe, under } from './support/observe.ts';

const command = fileURLToPath(new URL('./cli/main.js', import.meta.resolve('holdfast')));
const names = ['acquire', 'wait', 'grant', 'fail', 'renew', 'release', 'lost', 'reap'].map(
  (name) => `holdfast:${name}`,
);

// Letters that no other output has, around characters that must be written in percent code in a URL.
const secret = 'Zq7x%/@: Wv9k';
const wrong = 'Jx3b#?&Hq5z';
const pieces = /Zq7x|Wv9k|Jx3b|Hq5z/;

// Each test of the command line starts some processes.
vi.setConfig({ maxConcurrency: 2 });

let redis: RedisServer;
let etcd: EtcdServer;
let zookeeper: ZookeeperServer;
let postgres: PostgresServer;
beforeAll(async () => {
  [redis, etcd, zookeeper, postgres] = await Promise.all([
    ...([startRedis({ password: secret }), startEtcd(), startZookeeper(), startPostgres()] as const),
  ]);
});
afterAll(async () => {
  for (const server of [redis, etcd, zookeeper, postgres]) await server?.stop();
});

const quick = 'backendTimeout=1s&attemptTimeout=500ms';
const forms: Record<string, (password: string) => string> = {
  'redis+ioredis': (p) => `redis+ioredis://:${p}@127.0.0.1:${redis.port}?${quick}`,
  'redis+ioredis, a user': (p) => `redis+ioredis://default:${p}@127.0.0.1:${redis.port}/0?${quick}`,
  'redis+node-redis': (p) => `redis+node-redis://:${p}@127.0.0.1:${redis.port}?${quick}`,
  'rediss, of a server without TLS': (p) => `rediss+ioredis://:${p}@127.0.0.1:${redis.port}?${quick}`,
  'redis+cluster, of a server that is none': (p) => `redis+cluster+ioredis://:${p}@127.0.0.1:${redis.port}?${quick}`,
  'redis+sentinel, of a server that is none': (p) =>
    `redis+sentinel+ioredis://:${p}@127.0.0.1:${redis.port}/main?${quick}`,
  'redlock+ioredis': (p) => `redlock+ioredis://:${p}@127.0.0.1:${redis.port}?${quick}`,
  'redlock+node-redis': (p) => `redlock+node-redis://:${p}@127.0.0.1:${redis.port}?${quick}`,
  zookeeper: (p) => `zookeeper://app:${p}@127.0.0.1:${zookeeper.port}?${quick}`,
  'etcd, without authentication': (p) => `etcd://app:${p}@127.0.0.1:${etcd.port}?${quick}`,
  postgres: (p) => `postgres://postgres:${p}@127.0.0.1:${postgres.port}/postgres?createSchema=true&${quick}`,
  memory: (p) => `memory://:${p}@`,
};

/** Uses locks as an application does, and collects all that can be seen of it. */
async function everythingSaid(config: Parameters<typeof openLocks>[0], key: string): Promise<string> {
  const seen: unknown[] = [];
  const listen = (message: unknown): void => void seen.push(message);
  for (const name of names) subscribe(name, listen);
  using observed = observe();
  try {
    await under(observed, async () => {
      const locks = await openLocks(config);
      seen.push(locks);
      const lock = await locks.acquire(key, { waitMs: 5_000 });
      seen.push(lock, await locks.tryAcquire(key), await locks.inspect(key));
      await lock.renew();
      seen.push(await locks.acquire(key, { waitMs: 20 }).catch((error: unknown) => error));
      await locks.forceRelease(key);
      seen.push(await lock.release(), await lock.renew().catch((error: unknown) => error));
      await locks.close();
    });
  } catch (error) {
    seen.push(error, String(error), (error as Error).stack, JSON.stringify(error));
  } finally {
    for (const name of names) unsubscribe(name, listen);
  }
  const spans = observed.spans().map(({ name, attributes, status, events }) => ({ name, attributes, status, events }));
  const { scopeMetrics } = await observed.metrics();
  return inspect([seen, spans, scopeMetrics], {
    depth: 12,
    showHidden: true,
    maxArrayLength: null,
    maxStringLength: null,
  });
}

describe.each(Object.entries(forms))('no password in errors, channels, spans and metrics: %s', (form, url) => {
  it.each([
    ['in the URL', (password: string) => url(encodeURIComponent(password))],
    [
      'in the object',
      (password: string) => ({ adapter: url('x').replace(/[^/]*@/, ''), username: 'default', password }),
    ],
    ['not percent-encoded', (password: string) => url(password)],
  ] as const)('%s', { timeout: 60_000 }, async (how, config) => {
    for (const password of [secret, wrong]) {
      expect(await everythingSaid(config(password), `${form} ${how}`)).not.toMatch(pieces);
    }
  });
});

it('the search finds a password where there is one: Redis, opened with the right one, works', async () => {
  const said = await everythingSaid(forms['redis+ioredis']!(encodeURIComponent(secret)), 'control');
  expect(said).toContain('holdfast hold');
  expect(`${said} ${secret}`).toMatch(pieces);
});

describe.concurrent.each(Object.entries(forms))('no password in what the command line prints: %s', (form, url) => {
  const lines = [
    ['inspect', 'k', '--json', '--url'],
    ['run', 'k', '--try', '--url', '', '--', process.execPath, '--version'],
    ['doctor', '--json'],
    // A report that was made; elsewhere the suite would only wait for a backend that refuses it.
    ...(form === 'redis+ioredis' ? [['conformance', '--json', '--filter', 'LK-0001']] : []),
  ];
  it.each([
    ['the right one', secret],
    ['a wrong one', wrong],
  ])('%s', { timeout: 120_000 }, async (_, password) => {
    const target = url(encodeURIComponent(password));
    // A key for each: `run --try` says nothing about one that is busy.
    const keyed = lines.map((line) => line.map((word) => (word === 'k' ? `k-${password === secret}` : word)));
    const printed = await Promise.all(keyed.map((line) => print(withTarget(line, target))));
    expect(printed.join('\n')).not.toMatch(pieces);
    expect(printed).not.toContain('');
  });
});

/** The URL stands after `--url`, in the place kept for it, else at the end. */
function withTarget(line: readonly string[], target: string): string[] {
  return line.includes('') ? line.map((word) => word || target) : [...line, target];
}

function print(args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(process.execPath, [command, ...args], { timeout: 60_000 }, (_error, stdout, stderr) =>
      resolve(stdout + stderr),
    );
  });
}
