import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { inspect } from 'node:util';
import { type RedisServer, startRedis, startRedisCluster, startRedisSentinel } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLocks } from '../src/index.ts';
import { schemes } from '../src/schemes.ts';
import { expectExclusion, refusal } from './support.ts';

const password = 'p@ss/w:rd#1 %?';
const encoded = encodeURIComponent(password);

describe.each(['ioredis', 'node-redis'])('redis+%s', (client) => {
  let server: RedisServer;
  let address: string;
  beforeAll(async () => {
    server = await startRedis({ password });
    address = `${server.host}:${server.port}`;
  });
  afterAll(() => server?.stop());

  it('opens a server by URL, password and database included', async () => {
    expect(await expectExclusion(`redis+${client}://:${encoded}@${address}/2?ttl=5s&prefix=shop:`)).toBe(client);
    expect(await expectExclusion(`redis+${client}://default:${encoded}@${address}`)).toBe(client);
  });

  it('takes the password beside the URL', async () => {
    await expectExclusion({ adapter: `redis+${client}://${address}`, password, prefix: 'shop:', ttlMs: 5_000 });
  });

  it('hands its options to the adapter: prefix, fencing, database', async () => {
    const url = `redis+${client}://:${encoded}@${address}/3?prefix=shop:&fencing=false&ttl=5s`;
    await using locks = await openLocks(url);
    const lock = await locks.acquire('key');
    expect(lock.fencingToken).toBeUndefined();
    const names = await server.command('EVAL', "redis.call('SELECT', 3) return redis.call('KEYS', '*')", 0);
    expect(names).toEqual(['shop:key']);
    await refusal(openLocks(url, { require: { fencing: true } }), 'LOCK_UNSUPPORTED');
  });

  it('a wrong password is refused at once, and neither it nor the right one is shown', async () => {
    const begin = performance.now();
    const wrong = encodeURIComponent('wr0ng/Passw@rd');
    for (const config of [
      `redis+${client}://:${wrong}@${address}`,
      `redis+${client}://someone:${wrong}@${address}`,
      { adapter: `redis+${client}://${address}`, password: 'wr0ng/Passw@rd' },
    ]) {
      const error = await refusal(openLocks(config), 'LOCK_BACKEND');
      expect(error.message).toMatch(
        new RegExp(`redis\\+${client}://${address}.*(WRONGPASS|NOAUTH).*Check the user.*the password`),
      );
      expect(error.retryable).toBe(false);
      expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/wr0ng|Passw/);
    }
    expect(performance.now() - begin).toBeLessThan(8_000);
  });

  it('a missing password is refused at once', async () => {
    const error = await refusal(openLocks(`redis+${client}://${address}`), 'LOCK_BACKEND');
    expect(error.message).toMatch(/NOAUTH/);
  });

  it.each([
    ['', ''],
    ['+cluster', ''],
    ['+sentinel', '/main'],
  ])('redis%s: an unreachable server is noticed at start-up, in time, and named', async (topology, path) => {
    const begin = performance.now();
    const address = `redis${topology}+${client}://127.0.0.1:1`;
    const url = `${address.replace('://', `://user:${encoded}@`)}${path}?backendTimeout=500ms`;
    const error = await refusal(openLocks(url), 'LOCK_BACKEND');
    expect(error.message).toContain(`${address} (${client}) does not answer: connect ECONNREFUSED 127.0.0.1:1.`);
    expect(error.retryable).toBe(true);
    expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/p@ss|p%40ss/);
    expect(performance.now() - begin).toBeLessThan(8_000);
  });

  it('a server that accepts and never answers is noticed likewise', async () => {
    const sockets = new Set<Socket>();
    const mute = createServer((socket) => sockets.add(socket)).listen(0, '127.0.0.1');
    await once(mute, 'listening');
    try {
      const begin = performance.now();
      const { port } = mute.address() as AddressInfo;
      const opening = openLocks(`redis+${client}://127.0.0.1:${port}`, { backendTimeoutMs: 500 });
      expect((await refusal(opening, 'LOCK_BACKEND')).message).toContain(
        `127.0.0.1:${port} (${client}) does not answer`,
      );
      expect(performance.now() - begin).toBeLessThan(8_000);
    } finally {
      for (const socket of sockets) socket.destroy();
      mute.close();
    }
  });

  it('lazy: nothing is asked, and the first lock tells', async () => {
    await using locks = await openLocks(`redis+${client}://127.0.0.1:1`, { lazy: true, backendTimeoutMs: 500 });
    await refusal(locks.acquire('key'), 'LOCK_BACKEND');
  });

  it('survivesFailover is refused on Redis, naming who gives it', async () => {
    const opening = openLocks(`redis+${client}://:${encoded}@${address}`, { require: { survivesFailover: true } });
    const error = await refusal(opening, 'LOCK_UNSUPPORTED');
    expect(error.message).toMatch(/survivesFailover \(available with memory, zookeeper, etcd\)/);
  });

  it('what the scheme table promises is what the adapter declares', async () => {
    await using locks = await openLocks(`redis+${client}://:${encoded}@${address}`);
    expect(locks.adapter.capabilities).toMatchObject(schemes.redis!.gives);
  });

  it('opens a cluster by some of its nodes', async () => {
    const cluster = await startRedisCluster();
    try {
      const nodes = cluster.nodes.map((node) => `${node.host}:${node.port}`).join(',');
      expect(await expectExclusion(`redis+cluster+${client}://${nodes}`)).toBe(client);
    } finally {
      await cluster.stop();
    }
  });

  it('opens what the sentinels call the master', async () => {
    const group = await startRedisSentinel();
    try {
      const nodes = group.sentinels.map((node) => `${node.host}:${node.port}`).join(',');
      expect(await expectExclusion(`redis+sentinel+${client}://${nodes}/${group.masterName}`)).toBe(client);
    } finally {
      await group.stop();
    }
  });
});

it('redis: takes whichever client is installed', async () => {
  await using server = await startRedis();
  expect(await expectExclusion(server.url)).toBe('ioredis');
});

it('what the scheme table promises of memory is what its adapter declares', async () => {
  await using locks = await openLocks('memory:');
  expect(locks.adapter.capabilities).toMatchObject(schemes.memory!.gives);
});
