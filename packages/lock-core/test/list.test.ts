import { expect, it } from 'vitest';
import { memoryAdapter, memoryStore } from '../../adapter-memory/src/index.ts';
import { createLocks, type LockAdapter, type LockInfo, type Locks } from '../src/index.ts';

async function listed(locks: Locks, pattern?: string): Promise<LockInfo[]> {
  const infos: LockInfo[] = [];
  for await (const info of locks.list(pattern)) infos.push(info);
  return infos;
}

it('has what any client holds, and what inspect says of it', async () => {
  const store = memoryStore();
  await using locks = createLocks(memoryAdapter({ store }));
  await using other = createLocks(memoryAdapter({ store }));
  expect(await listed(locks)).toEqual([]);
  const mine = await locks.acquire('mine');
  const theirs = await other.acquire('theirs');
  const infos = await listed(locks);
  expect(infos.map(({ key, fencingToken }) => [key, fencingToken])).toEqual([
    ['mine', mine.fencingToken],
    ['theirs', theirs.fencingToken],
  ]);
  await theirs.release();
  expect((await listed(locks)).map(({ key }) => key)).toEqual(['mine']);
});

it('in a pattern only * and ? have a meaning', async () => {
  await using locks = createLocks(memoryAdapter());
  const keys = ['a', 'ab', 'a.b', 'a*b', 'a\nb', '[ab]', 'a\\b', '(', '🔒', '^a$'];
  await Promise.all(keys.map((key) => locks.acquire(key)));
  const fitting = async (pattern: string) => (await listed(locks, pattern)).map(({ key }) => key).sort();
  expect(await fitting('*')).toEqual([...keys].sort());
  expect(await fitting('a?b')).toEqual(['a\nb', 'a*b', 'a.b', 'a\\b']);
  expect(await fitting('a.b')).toEqual(['a.b']);
  expect(await fitting('a*')).toEqual(['a', 'a\nb', 'a*b', 'a.b', 'a\\b', 'ab']);
  expect(await fitting('[ab]')).toEqual(['[ab]']);
  expect(await fitting('(')).toEqual(['(']);
  expect(await fitting('?')).toEqual(['(', 'a', '🔒']);
  expect(await fitting('^a$')).toEqual(['^a$']);
  expect(await fitting('')).toEqual([]);
});

it('goes through all pages, leaves out what is free by now, and has each lock once', async () => {
  const memory = memoryAdapter();
  const pages: Record<string, { keys: string[]; next: string | undefined }> = {
    '': { keys: ['a', 'free'], next: 'second' },
    second: { keys: [], next: 'third' },
    third: { keys: ['a', 'b', 'b'], next: undefined },
  };
  let lost = 0;
  const adapter: LockAdapter = {
    ...memory,
    // Each page is lost once: asking again is harmless.
    keys: (cursor = '') => (lost++ % 2 === 0 ? Promise.reject(new Error('lost')) : Promise.resolve(pages[cursor]!)),
  };
  await using locks = createLocks(adapter);
  await locks.acquire('a');
  await locks.acquire('b');
  expect((await listed(locks)).map(({ key }) => key)).toEqual(['a', 'b']);
});

it('LOCK_UNSUPPORTED where the adapter cannot, LOCK_BACKEND without an answer', async () => {
  const { keys: _, ...without } = memoryAdapter();
  await using locks = createLocks(without);
  await expect(listed(locks)).rejects.toMatchObject({ code: 'LOCK_UNSUPPORTED' });
  const mute: LockAdapter = { ...memoryAdapter(), keys: () => new Promise(() => {}) };
  await using silent = createLocks(mute, { backendTimeoutMs: 300, attemptTimeoutMs: 100 });
  await expect(listed(silent)).rejects.toMatchObject({ code: 'LOCK_BACKEND', key: undefined });
});

it('an adapter that names the same page again is told of, and not asked for ever', async () => {
  const keys = async (cursor?: string) => ({ keys: [], next: cursor === undefined ? 'a' : cursor === 'a' ? 'b' : 'b' });
  const locks = createLocks({ ...memoryAdapter(), keys });
  await expect(listed(locks)).rejects.toMatchObject({ code: 'LOCK_BACKEND', retryable: false });
  await locks.close();
});
