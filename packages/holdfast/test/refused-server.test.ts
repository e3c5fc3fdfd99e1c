import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import {
  type RedisServer,
  startEtcd,
  startRedis,
  startRedisCluster,
  startRedisSentinel,
  startZookeeper,
} from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLocks } from '../src/index.ts';
import { parseLockUrl } from '../src/lock-url.ts';
import { refusalByAll } from '../src/server-answer.ts';

let redis: RedisServer;
let at: string;
beforeAll(async () => {
  redis = await startRedis();
  at = `${redis.host}:${redis.port}`;
});
afterAll(() => redis?.stop());

const both = ['+ioredis', '+node-redis'];

async function errorOf(url: string): Promise<{ message: string; retryable: boolean; code: string }> {
  return openLocks(url, { backendTimeoutMs: 1_500 }).then(
    async (locks) => {
      await locks.close();
      throw new Error(`${url} was opened`);
    },
    (error) => error,
  );
}

async function httpServer(): Promise<{ at: string } & AsyncDisposable> {
  const server = createHttpServer((_, response) => response.end('<html>'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    at: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe('a server that answers with a refusal is not said to be unreachable (H130)', { timeout: 60_000 }, () => {
  it.each(both)('a single server behind redis+cluster%s', async (client) => {
    const { message, retryable } = await errorOf(`redis+cluster${client}://${at}`);
    expect(message).toMatch(/cluster support disabled/);
    expect(message).toMatch(/without \+cluster/);
    expect(message).not.toMatch(/does not answer/);
    expect(retryable).toBe(false);
  });

  it.each(both)('a server that is no sentinel behind redis+sentinel%s', async (client) => {
    const { message } = await errorOf(`redis+sentinel${client}://${at}/mymaster`);
    expect(message).toMatch(/unknown command.*It is not a sentinel/i);
  });

  it('sentinels that do not know the master', async () => {
    await using sentinels = await startRedisSentinel();
    const hosts = sentinels.sentinels.map(({ host, port }) => `${host}:${port}`).join(',');
    for (const client of both) {
      const { message, retryable } = await errorOf(`redis+sentinel${client}://${hosts}/nosuch`);
      expect(message).toMatch(/nosuch/);
      expect(message).not.toMatch(/does not answer/);
      expect(retryable).toBe(false);
    }
  });

  it('an HTTP server on the port', async () => {
    await using http = await httpServer();
    for (const scheme of [...both.map((client) => `redis${client}`), 'etcd', 'zookeeper']) {
      const { message } = await errorOf(`${scheme}://${http.at}`);
      expect(message, scheme).toMatch(/HTTP\/1\.1 [24]0/);
      expect(message, scheme).toMatch(/is not (Redis|etcd|ZooKeeper)/);
    }
  });

  it('TLS to a server that does not speak it', async () => {
    await using http = await httpServer();
    for (const url of [`rediss://${http.at}`, `etcd://${http.at}?tls=true`]) {
      const { message, retryable } = await errorOf(url);
      expect(message).toMatch(/does not seem to speak TLS/);
      expect(retryable).toBe(false);
    }
  });

  it('an HTTP server is named soon, however long the client library tries', async () => {
    await using http = await httpServer();
    const startedAt = performance.now();
    const schemes = both.flatMap((client) => [`redis+cluster${client}`, `redis+sentinel${client}`]);
    await Promise.all(
      schemes.map(async (scheme) => {
        const opening = openLocks(`${scheme}://${http.at}/0`, { backendTimeoutMs: 60_000 });
        const refused = { retryable: false, message: expect.stringMatching(/is not Redis/) };
        await expect(opening, scheme).rejects.toMatchObject(refused);
      }),
    );
    expect(performance.now() - startedAt).toBeLessThan(30_000);
  });

  it('servers of other kinds on the port', async () => {
    await using etcd = await startEtcd();
    await using zookeeper = await startZookeeper();
    for (const [url, words] of [
      [`etcd://${at}`, /is not etcd/],
      [`zookeeper://${at}`, /is not ZooKeeper/],
      [`zookeeper://${etcd.host}:${etcd.port}`, /is not ZooKeeper/],
      [`redis://${etcd.host}:${etcd.port}`, /is not Redis/],
    ] as const) {
      expect((await errorOf(url)).message, url).toMatch(words);
    }
    expect(zookeeper.port).toBeGreaterThan(0);
  });

  it('missing and wrong credentials, with the words of the server and without the password', async () => {
    await using closed = await startRedis({ password: 'sesame' });
    for (const client of both) {
      expect((await errorOf(`redis${client}://${closed.host}:${closed.port}`)).message).toMatch(
        /NOAUTH|Authentication/,
      );
      const wrong = await errorOf(`redis${client}://:op%2Fen@${closed.host}:${closed.port}`);
      expect(wrong.message).toMatch(/WRONGPASS/);
      expect(JSON.stringify([wrong.message, (wrong as unknown as Error).stack])).not.toMatch(/op(%2F|\/)en/i);
    }
  });

  it('a cluster node behind redis://, which refuses some keys only', async () => {
    await using cluster = await startRedisCluster();
    const { host, port } = cluster.nodes[0]!;
    const opened = await openLocks(`redis://${host}:${port}`, { backendTimeoutMs: 1_500 }).catch((error) => error);
    if (opened instanceof Error) expect(opened.message).not.toMatch(/does not answer/);
    else await opened.close();
  });
});

it('a user who may not PING is refused nothing that the locks need (H130)', async () => {
  await redis.command('ACL', 'SETUSER', 'silent', 'on', '>sesame', '~*', '&*', '+@all', '-ping');
  const url = parseLockUrl(`redis://silent:sesame@${at}`);
  expect(await refusalByAll(url, false)).toBeUndefined();
  await redis.command('ACL', 'SETUSER', 'silent', '>other', '<sesame');
  expect(await refusalByAll(url, false)).toMatchObject({
    what: expect.stringContaining('WRONGPASS'),
    retryable: false,
  });
});

it('a server that accepts and says nothing is said not to answer', { timeout: 30_000 }, async () => {
  const silent = createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as AddressInfo;
  try {
    const { message, retryable } = await errorOf(`redis://127.0.0.1:${port}`);
    expect(message).toMatch(/does not answer/);
    expect(retryable).toBe(true);
  } finally {
    silent.close();
  }
});

it('a server that accepts and closes is said to do so', { timeout: 30_000 }, async () => {
  const closing = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => closing.listen(0, '127.0.0.1', resolve));
  const { port } = closing.address() as AddressInfo;
  try {
    for (const scheme of ['redis', 'zookeeper']) {
      const { message, retryable } = await errorOf(`${scheme}://127.0.0.1:${port}`);
      expect(message).toMatch(/accepts connections at .*, and closes them at once/);
      expect(retryable).toBe(true);
    }
  } finally {
    closing.close();
  }
});

it('an unknown host is said to be unknown', { timeout: 30_000 }, async () => {
  const { message } = await errorOf('etcd://nobody.invalid');
  expect(message).toMatch(/does not answer: getaddrinfo E[A-Z_]+ nobody\.invalid\. Check/);
});
