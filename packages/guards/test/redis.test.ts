import { type RedisServer, startRedis, startRedisCluster } from '@holdfast/testbed';
import { Cluster, Redis } from 'ioredis';
import { createClient, createCluster } from 'redis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fencedRedisWrite, type RedisWrite, type RedisWriter } from '../src/index.ts';
import { guardRules } from './guard-rules.ts';

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server?.stop());

/** The rules by two clients, the resource being a list. */
function rulesWith(open: () => Promise<RedisWriter>, prefix: string): void {
  let clients: [RedisWriter, RedisWriter];
  beforeAll(async () => {
    clients = [await open(), await open()];
  });
  guardRules(() => ({
    append: (client, resource, token, line) =>
      fencedRedisWrite(clients[client], `${prefix}${resource}:fence`, token, [['RPUSH', `${prefix}${resource}`, line]]),
    check: (client, resource, token) => fencedRedisWrite(clients[client], `${prefix}${resource}:fence`, token),
    log: async (resource) => (await server.command('LRANGE', `${prefix}${resource}`, 0, -1)) as string[],
  }));
}

const opened: (() => unknown)[] = [];
afterAll(() => {
  for (const close of opened) close();
});

const ioredis = (keyPrefix = '') => {
  const client = new Redis(server.url, { keyPrefix });
  opened.push(() => client.disconnect());
  return client;
};

describe('Redis through ioredis', () => rulesWith(async () => ioredis(), 'a:'));

describe('Redis through node-redis', () =>
  rulesWith(async () => {
    const client = await createClient({ url: server.url }).connect();
    opened.push(() => client.destroy());
    return client;
  }, 'b:'));

describe('a fenced write to Redis', () => {
  it('writes several keys, and none of them when it is refused', async () => {
    const client = ioredis();
    const writes = (name: string) =>
      [
        ['SET', 'cart:7', name],
        ['HSET', 'cart:7:meta', 'by', name, 'items', 3],
        ['DEL', 'cart:7:draft'],
      ] as const;
    await client.set('cart:7:draft', 'x');
    expect(await fencedRedisWrite(client, 'cart:7:fence', 4n, writes('ann'))).toBe(true);
    expect(await fencedRedisWrite(client, 'cart:7:fence', 3n, writes('bob'))).toBe(false);
    expect(await client.get('cart:7')).toBe('ann');
    expect(await client.hgetall('cart:7:meta')).toEqual({ by: 'ann', items: '3' });
    expect(await client.exists('cart:7:draft')).toBe(0);
  });

  it('keeps the fence without an expiry, so that no eviction of volatile keys forgets it', async () => {
    const client = ioredis();
    await fencedRedisWrite(client, 'lasting:fence', 4n, []);
    expect(await client.ttl('lasting:fence')).toBe(-1);
    expect(await client.get('lasting:fence')).toBe('4');
  });

  it('honours the key prefix of the client for the fence and the data', async () => {
    const client = ioredis('shop:');
    expect(await fencedRedisWrite(client, 'p:fence', 1n, [['SET', 'p', 'x']])).toBe(true);
    expect(await server.command('MGET', 'shop:p:fence', 'shop:p')).toEqual(['1', 'x']);
  });

  it.each<[RedisWrite]>([
    [['DEL', 'p', 'q']],
    [['MSET', 'p', 'x', 'q', 'y']],
    [['RENAME', 'p', 'q']],
    [['SUNIONSTORE', 'p', 'q']],
  ])('with a key prefix, %j is refused: its second key would be one without the prefix', async (write) => {
    await server.command('MSET', 'shop:p', '1', 'q', 'of another program');
    const refused = fencedRedisWrite(ioredis('shop:'), 'p:fence', 9n, [write]);
    await expect(refused).rejects.toThrow(/keyPrefix "shop:".*Nothing was written/);
    expect(await server.command('MGET', 'shop:p', 'q')).toEqual(['1', 'of another program']);
  });

  it('refuses a write of the fence that names it by a number', async () => {
    await expect(fencedRedisWrite(ioredis(), '5', 1n, [['DEL', 'a', 5]])).rejects.toThrow('cannot be written itself');
  });

  it('rejects when the fence holds other data, and leaves it alone', async () => {
    const client = ioredis();
    await client.set('text', 'hello');
    await client.rpush('list', 'hello');
    await expect(fencedRedisWrite(client, 'text', 1n, [['SET', 'unwritten', '1']])).rejects.toThrow(/no fencing token/);
    await expect(fencedRedisWrite(client, 'list', 1n, [['SET', 'unwritten', '1']])).rejects.toThrow(/WRONGTYPE/);
    expect(await client.get('text')).toBe('hello');
    expect(await client.exists('unwritten')).toBe(0);
  });

  it('passes arguments on as data, whatever they contain', async () => {
    const client = ioredis();
    const nasty = '"\r\nFLUSHALL\r\n\0] end redis.call("FLUSHALL")';
    expect(await fencedRedisWrite(client, nasty, 1n, [['SET', `${nasty}:data`, nasty]])).toBe(true);
    expect(await client.get(`${nasty}:data`)).toBe(nasty);
  });

  it('H17: works on a cluster within one hash tag, by both clients', { timeout: 60_000 }, async () => {
    await using cluster = await startRedisCluster();
    const one = new Cluster(cluster.nodes.map(({ host, port }) => ({ host, port })));
    const two = await createCluster({ rootNodes: cluster.nodes.map(({ url }) => ({ url })) }).connect();
    try {
      for (const tag of ['{a}', '{b}', '{c}', '{d}', '{e}', '{f}']) {
        const write = (client: RedisWriter, token: bigint) =>
          fencedRedisWrite(client, `${tag}:fence`, token, [['SET', `${tag}:data`, String(token)]]);
        expect(await write(one, 2n)).toBe(true);
        expect(await write(two, 1n)).toBe(false);
        expect(await write(two, 3n)).toBe(true);
        expect(await one.get(`${tag}:data`)).toBe('3');
      }
    } finally {
      one.disconnect();
      two.destroy();
    }
  });
});
