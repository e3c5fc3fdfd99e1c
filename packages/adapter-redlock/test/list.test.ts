import { createLocks } from '@holdfast/lock-core';
import { type RedisGroup, startRedisNodes } from '@holdfast/testbed';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openRedlock } from '../src/index.ts';

let group: RedisGroup;
beforeAll(async () => {
  group = await startRedisNodes(3);
});
afterAll(() => group?.stop());

it('lists every held lock once, also while a minority of the nodes is away', { timeout: 120_000 }, async () => {
  const { nodes } = group;
  const adapter = await openRedlock({ nodes }, { prefix: 'listed:' });
  await using locks = createLocks(adapter, { ttlMs: 120_000, backendTimeoutMs: 3_000 });
  const listed = async (pattern?: string) => {
    const keys: string[] = [];
    for await (const { key } of locks.list(pattern)) keys.push(key);
    return keys.sort();
  };
  expect(await listed()).toEqual([]);
  const names = ['a/b', '{a}', '}', '*', ...Array.from({ length: 600 }, (_, i) => `many:${i}`)];
  const holds = await Promise.all(names.map((name) => locks.acquire(name)));
  // The vote of a minority is no lock.
  await nodes[0]!.command('SET', 'listed:minority', 'somebody:1', 'PX', 60_000);
  await holds[0]!.release();
  const held = names.slice(1).sort();
  expect(await listed()).toEqual(held);
  expect(await listed('many:?')).toHaveLength(10);
  // With a node away nobody could tell whether it is one.
  await nodes[0]!.command('DEL', 'listed:minority');
  for (const away of nodes) {
    away.freeze();
    expect(await listed(), `without ${away.url}`).toEqual(held);
    away.thaw();
  }
  nodes[0]!.freeze();
  nodes[1]!.freeze();
  await expect(listed()).rejects.toMatchObject({ code: 'LOCK_BACKEND' });
  nodes[0]!.thaw();
  nodes[1]!.thaw();
});
