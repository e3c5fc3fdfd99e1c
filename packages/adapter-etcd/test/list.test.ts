import { createLocks } from '@holdfast/lock-core';
import { type EtcdServer, startEtcd } from '@holdfast/testbed';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { etcdAdapter } from '../src/index.ts';
import { clientOf } from './support/etcd.ts';

let server: EtcdServer;
beforeAll(async () => {
  server = await startEtcd();
});
afterAll(() => server?.stop());

it('lists every held lock once, by its name, and nothing else', { timeout: 120_000 }, async () => {
  const adapter = (prefix: string) => etcdAdapter({ hosts: `${server.host}:${server.port}`, prefix });
  await using locks = createLocks(adapter('listed/'), { ttlMs: 120_000 });
  await using others = createLocks(adapter('listed0'), { ttlMs: 120_000 });
  const listed = async (pattern?: string) => {
    const keys: string[] = [];
    for await (const { key } of locks.list(pattern)) keys.push(key);
    return keys.sort();
  };
  const names = ['a/b', 'a%2Fb', '%', '/', '*', 'é\n', ...Array.from({ length: 1_200 }, (_, i) => `many:${i}`)];
  const holds = await Promise.all(names.map((name) => locks.acquire(name)));
  await others.acquire('of another');
  const enough = new AbortController();
  const waiting = locks.acquire('*', { owner: locks.createOwner(), signal: enough.signal }).catch(() => {});
  expect(await listed()).toEqual([...names].sort());
  expect(await listed('many:?')).toHaveLength(10);
  expect(await listed('a?b')).toEqual(['a/b']);
  await holds[0]!.release();
  expect(await listed('a*')).toEqual(['a%2Fb']);
  enough.abort();
  await waiting;
});

it('H128: lists on behind a page of keys whose bytes are no text', async () => {
  const client = clientOf(server);
  const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
  const values = Array.from({ length: 1_000 }, (_, i) => bytes(`binary/\xc0${String(i).padStart(4, '0')}`));
  for (let i = 0; i < values.length; i += 100) {
    const success = values.slice(i, i + 100).map((key) => ({ request_put: { key, value: bytes('data') } }));
    await client.kv.txn({ success });
  }
  await using locks = createLocks(etcdAdapter({ hosts: `${server.host}:${server.port}`, prefix: 'binary/' }));
  await using lock = await locks.acquire('é');
  const keys: string[] = [];
  for await (const { key } of locks.list()) keys.push(key);
  expect(keys).toEqual([lock.key]);
});
