import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { createLocks } from '@holdfast/lock-core';
import { type RedisServer, startRedis, startRedisCluster, startRedisSentinel } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { attempt, grant, lockError, newName, until } from './helpers.ts';
import { type ClientKit, single } from './kit.ts';
import { openRefusalTests } from './open-refusal-tests.ts';
import { aloneRightsTest, amongOthersRightsTest } from './rights-tests.ts';

const secret = 's3cret-of-the-test';

/** A port that was free a moment ago. */
const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

/** Definite refusals: told at once, with the server's words, and nothing is left locked. */
export function refusalSuite(kits: readonly ClientKit[]): void {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server?.stop());

  describe.each(kits)('$name', (kit) => {
    aloneRightsTest(kit, () => server, secret);

    it('a user who may not WAIT is told so, and what was granted is released (H115)', async () => {
      const user = newName('user');
      await server.command('ACL', 'SETUSER', user, 'on', `>${secret}`, '~*', '&*', '+@all', '-wait');
      const client = kit.connect({ ...single(server), username: user, password: secret });
      const request = attempt(newName(), { ttlMs: 60_000 });
      const refused = client.adapter({ waitReplicas: 1 }).tryAcquire(request);
      const message = expect.stringMatching(/NOPERM.*wait/);
      await expect(refused).rejects.toEqual(lockError('LOCK_BACKEND', { retryable: false, message }));
      expect(await server.command('EXISTS', `lock:${request.key}`)).toBe(0);
      await client.close();
    });

    it.each([
      ['READONLY', true],
      ['the database does not exist', false],
    ] as const)('%s: told at once', async (what, retryable) => {
      const replica = await startRedis({ args: ['--databases', '4'] });
      try {
        if (what === 'READONLY') await replica.command('REPLICAOF', server.host, String(server.port));
        const client = kit.connect({ ...single(replica), ...(what === 'READONLY' ? {} : { db: 9 }) });
        const adapter = client.adapter();
        // A replica is loading for a moment.
        const error = await until('the refusal', async () => {
          const outcome = await adapter.tryAcquire(attempt(newName())).catch((reason: unknown) => reason as Error);
          if (!(outcome instanceof Error)) throw new Error('granted');
          return /READONLY|DB index/.test(outcome.message) && outcome;
        });
        expect(error).toEqual(lockError('LOCK_BACKEND', { retryable }));
        expect(await replica.command('KEYS', 'lock:*')).toEqual([]);
        await adapter.close?.();
        await client.close();
      } finally {
        await replica.stop();
      }
    });

    it('MISCONF, where the server can no longer save: told at once, retryable, and nothing is left locked', async () => {
      // The file that the server is to save to is a folder.
      const unsaved = await startRedis({ args: ['--save', '900 1', '--dbfilename', 'appendonlydir'] });
      onTestFinished(() => unsaved.stop());
      const client = kit.connect(single(unsaved));
      onTestFinished(() => client.close());
      const adapter = client.adapter();
      const [held, wanted] = [attempt(newName(), { ttlMs: 60_000 }), attempt(newName(), { ttlMs: 60_000 })];
      await grant(adapter, held);
      await unsaved.command('BGSAVE');
      await until('the save fails', async () =>
        String(await unsaved.command('INFO', 'persistence')).includes('rdb_last_bgsave_status:err'),
      );
      const refused = lockError('LOCK_BACKEND', { retryable: true, message: expect.stringContaining('MISCONF') });
      await expect(adapter.tryAcquire(wanted)).rejects.toEqual(refused);
      await expect(client.adapter({ fencing: false }).tryAcquire(wanted)).rejects.toEqual(refused);
      await expect(adapter.renew(held, 50_000)).rejects.toEqual(refused);
      await expect(adapter.release(held)).rejects.toEqual(refused);
      expect(await unsaved.command('EXISTS', `lock:${wanted.key}`)).toBe(0);
      await unsaved.command('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'no');
      await grant(adapter, wanted);
      expect(await adapter.release(held)).toBe('released');
    });

    it('CLUSTERDOWN, a cluster without slots: told in its words, retryable, and it works when the slots are back', async () => {
      const node = await startRedis({
        args: [
          '--cluster-enabled',
          'yes',
          '--cluster-port',
          String(await freePort()),
          '--cluster-announce-ip',
          '127.0.0.1',
        ],
      });
      onTestFinished(() => node.stop());
      const serve = () => node.command('CLUSTER', 'ADDSLOTSRANGE', 0, 16_383);
      const isServing = () =>
        until('the cluster serves', async () => String(await node.command('CLUSTER', 'INFO')).includes('state:ok'));
      await serve();
      await isServing();
      const client = kit.connect({ kind: 'cluster', nodes: [{ host: node.host, port: node.port }] });
      onTestFinished(() => client.close());
      const adapter = client.adapter();
      await until('a grant', () => grant(adapter, attempt(newName())).catch(() => undefined));
      await node.command('FLUSHALL');
      await node.command('CLUSTER', 'FLUSHSLOTS');
      const request = attempt(newName(), { ttlMs: 60_000 });
      await expect(adapter.tryAcquire(request)).rejects.toEqual(
        lockError('LOCK_BACKEND', { retryable: true, message: expect.stringMatching(/CLUSTERDOWN|no connection/) }),
      );
      await serve();
      await isServing();
      expect(await node.command('KEYS', '*')).toEqual([]);
      await until('a grant again', () => grant(adapter, request).catch(() => undefined));
    });

    it('a plain client of a node of a cluster is told to use a cluster client', async () => {
      const cluster = await startRedisCluster();
      const client = kit.connect(single(cluster.nodes[0]!));
      try {
        const adapter = client.adapter();
        const outcomes = await Promise.all(
          Array.from({ length: 10 }, () => adapter.tryAcquire(attempt(newName())).catch((reason: unknown) => reason)),
        );
        expect(outcomes).toContainEqual(
          lockError('LOCK_BACKEND', { retryable: false, message: expect.stringMatching(/MOVED .*cluster client/) }),
        );
      } finally {
        await client.close();
        await cluster.stop();
      }
    });

    it('a port where an HTTP server answers: an error soon, and nothing throws past the caller (H130)', async () => {
      const http = createHttpServer((_, response) => response.end('hello'));
      await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
      const client = kit.connect(single({ host: '127.0.0.1', port: (http.address() as AddressInfo).port }));
      const locks = createLocks(client.adapter(), { backendTimeoutMs: 1_500 });
      const error = await locks.acquire(newName()).catch((reason: unknown) => reason);
      expect(error).toEqual(lockError('LOCK_BACKEND'));
      await locks.close();
      await client.close();
      http.closeAllConnections();
      http.close();
    });
  });

  // The adapter package imports one major version of its client.
  describe(`opened by the adapter, ${kits[0]!.name}`, () => {
    const kit = kits[0]!;
    openRefusalTests(kit, () => server);

    amongOthersRightsTest(kit, () => server, secret);

    it.each([
      ['cluster', /cluster support disabled.*plain client/],
      ['sentinel', /unknown command.*SENTINEL.*check the addresses of the sentinels/i],
    ] as const)(
      'a %s client of a plain server: told at once, with the words of the server (H130)',
      async (kind, words) => {
        const adapter = kit.open({ kind, nodes: [{ host: server.host, port: server.port }], masterName: 'mymaster' });
        const locks = createLocks(adapter, { backendTimeoutMs: 15_000 });
        const begin = performance.now();
        const error = (await locks.acquire(newName()).catch((reason: unknown) => reason)) as Error;
        expect(error).toEqual(lockError('LOCK_BACKEND', { retryable: false, message: expect.stringMatching(words) }));
        expect(performance.now() - begin).toBeLessThan(10_000);
        await locks.close();
      },
    );

    it('a name that no sentinel knows, a sentinel in place of a server: told at once (H130)', {
      timeout: 60_000,
    }, async () => {
      const group = await startRedisSentinel();
      const asServer = createLocks(kit.open(single(group.sentinels[0]!)), { backendTimeoutMs: 20_000 });
      await expect(asServer.acquire(newName())).rejects.toEqual(
        lockError('LOCK_BACKEND', { retryable: false, message: expect.stringContaining('is a Redis Sentinel') }),
      );
      await asServer.close();
      const nodes = group.sentinels.map(({ host, port }) => ({ host, port }));
      const locks = createLocks(kit.open({ kind: 'sentinel', nodes, masterName: 'nobody' }), {
        backendTimeoutMs: 20_000,
      });
      try {
        const begin = performance.now();
        const error = await locks.acquire(newName()).catch((reason: unknown) => reason);
        const message = expect.stringMatching(/do not watch a master of this name: check the name/);
        expect(error).toEqual(lockError('LOCK_BACKEND', { retryable: false, message }));
        expect(performance.now() - begin).toBeLessThan(10_000);
      } finally {
        await locks.close();
        await group.stop();
      }
    });
  });
}
