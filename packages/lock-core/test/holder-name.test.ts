import { hostname } from 'node:os';
import { expect, it } from 'vitest';
import { memoryAdapter } from '../../adapter-memory/src/index.ts';
import { createLocks, LockError } from '../src/index.ts';

it('names the process that holds a lock: by default its host and pid', async () => {
  const locks = createLocks(memoryAdapter());
  await locks.acquire('a');
  const info = await locks.inspect('a');
  expect(info?.owner).toMatch(/^.+~[0-9a-f]{32}$/);
  const host = hostname();
  expect(info?.holder).toEqual({ name: `${host}:${process.pid}`, host, pid: process.pid });
  expect(JSON.parse(JSON.stringify(info)).holder.pid).toBe(process.pid);
  await locks.close();
});

it('shows the name as it was given, and puts nothing into the owner ID that a backend could take for a sign', async () => {
  const name = 'Büro 3/α:β ~ "x"';
  const locks = createLocks(memoryAdapter(), { name });
  await locks.acquire('a');
  const info = await locks.inspect('a');
  expect(info?.holder).toEqual({ name });
  expect(info?.owner).toMatch(/^[\w:%.~-]+~[0-9a-f]{32}$/);
  await locks.close();
});

it('has no holder for an owner ID that another library made', async () => {
  const adapter = memoryAdapter();
  await adapter.tryAcquire({
    key: 'a',
    owner: 'somebody',
    ttlMs: 1_000,
    tokens: 1,
    signal: new AbortController().signal,
  });
  const locks = createLocks(adapter);
  expect((await locks.inspect('a'))?.holder).toBeUndefined();
  await locks.close();
});

it.each(['', 'x'.repeat(65), 7, '\ud800'])('refuses %j as a name', (name) => {
  expect(() => createLocks(memoryAdapter(), { name: name as string })).toThrow(LockError);
});
