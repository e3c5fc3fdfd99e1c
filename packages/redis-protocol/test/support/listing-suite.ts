import { createLocks } from '@holdfast/lock-core';
import { type RedisGroup, type RedisServer, startRedis, startRedisCluster } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attempt, grant, newName } from './helpers.ts';
import { type ClientKit, single, type TestClient } from './kit.ts';

/** Which locks are held, on a server and on a cluster. */
export function listingSuite(kits: readonly ClientKit[]): void {
  let server: RedisServer;
  let cluster: RedisGroup;
  beforeAll(async () => {
    [server, cluster] = await Promise.all([startRedis(), startRedisCluster()]);
  });
  afterAll(() => Promise.all([server?.stop(), cluster?.stop()]));

  async function listed(client: TestClient, prefix: string, pattern?: string): Promise<string[]> {
    await using locks = createLocks(client.adapter({ prefix }));
    const keys: string[] = [];
    for await (const { key } of locks.list(pattern)) keys.push(key);
    return keys.sort();
  }

  describe.each(kits)('$name', (kit) => {
    const places = {
      'a server': () => kit.connect(single(server)),
      'a cluster': () => kit.connect({ kind: 'cluster', nodes: cluster.nodes }),
    };
    it.each(Object.entries(places))(
      'on %s: every held lock once, by its name, and nothing else',
      async (_, connect) => {
        const client = connect();
        try {
          // A prefix that would be a pattern for SCAN, if it were one.
          const prefix = `${newName()}[x]*?\\:`;
          const adapter = client.adapter({ prefix });
          const names = [
            ...['{a}', '{}', '}', '{', 'a}b{c}', '{%7D}', '%{a', '*', 'a\n\u0000é'],
            ...Array.from({ length: 600 }, (__, i) => `many:${i}`),
          ];
          await Promise.all(names.map((name) => grant(adapter, attempt(name, { ttlMs: 120_000 }))));
          await grant(client.adapter({ prefix: prefix.replace('x', 'y') }), attempt('of another', { ttlMs: 120_000 }));
          expect(await listed(client, prefix)).toEqual([...names].sort());
          expect(await listed(client, prefix, 'many:?')).toHaveLength(10);
          expect(await listed(client, prefix, '{*')).toEqual(['{', '{%7D}', '{a}', '{}']);
          expect(await listed(client, prefix, '\\*')).toEqual([]);
          await adapter.forceRelease?.('}');
          expect(await listed(client, prefix)).toHaveLength(names.length - 1);
        } finally {
          await client.close();
        }
      },
    );

    it('data that is no lock is left out', async () => {
      const client = kit.connect(single(server));
      try {
        const prefix = `${newName()}:`;
        await server.command('LPUSH', `${prefix}list`, 'x');
        await grant(client.adapter({ prefix }), attempt('lock'));
        expect(await listed(client, prefix)).toEqual(['lock']);
      } finally {
        await client.close();
      }
    });
  });
}
