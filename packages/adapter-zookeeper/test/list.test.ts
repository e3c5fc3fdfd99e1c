import { createLocks } from '@holdfast/lock-core';
import { startZookeeper, type ZookeeperServer } from '@holdfast/testbed';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { zookeeperAdapter } from '../src/index.ts';

let server: ZookeeperServer;
beforeAll(async () => {
  server = await startZookeeper();
});
afterAll(() => server?.stop());

it('lists every held lock once, by its name, and nothing else', { timeout: 120_000 }, async () => {
  const adapter = (prefix: string) => zookeeperAdapter({ servers: `${server.host}:${server.port}`, prefix });
  await using locks = createLocks(adapter('/listed'), { ttlMs: 120_000 });
  await using others = createLocks(adapter('/others'), { ttlMs: 120_000 });
  const listed = async (pattern?: string) => {
    const keys: string[] = [];
    for await (const { key } of locks.list(pattern)) keys.push(key);
    return keys.sort();
  };
  expect(await listed()).toEqual([]);
  const names = [
    'a/b',
    'a%2Fb',
    '%',
    '/',
    '.',
    '..',
    '*',
    'é\n',
    ...Array.from({ length: 200 }, (_, i) => `many:${i}`),
  ];
  const holds = await Promise.all(names.map((name) => locks.acquire(name)));
  await others.acquire('of another');
  expect(await listed()).toEqual([...names].sort());
  expect(await listed('many:?')).toHaveLength(10);
  expect(await listed('a?b')).toEqual(['a/b']);
  // Its node stays until the server removes it.
  await holds[0]!.release();
  expect(await listed('a*')).toEqual(['a%2Fb']);
});
