import { createLocks, type LockAdapter } from '@holdfast/lock-core';
import { type RedisServer, startRedis } from '@holdfast/testbed';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ioredisAdapter } from '../src/index.ts';

const password = 's3cret';
// Of Redis' patterns, protocol, hash tags and Lua, and of our own keys: far nearer to trouble than random text.
const piece = fc.oneof(
  fc.constantFrom(
    '*',
    '?',
    '[',
    ']',
    '[^a]',
    '\\',
    '{',
    '}',
    '{}',
    '%7D',
    '%',
    '\r\n',
    '\0',
    '"',
    "'",
    ' ',
    '$3',
    ':',
    'é',
    '💥',
  ),
  fc.constantFrom(
    'lock:',
    'fence:',
    'fence:{',
    'a',
    'canary',
    "'); redis.call('FLUSHALL') --",
    ']]',
    '../',
    '\r\nDEL canary\r\n',
    '__proto__',
  ),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 4 }),
);
const text = fc.array(piece, { minLength: 1, maxLength: 6 }).map((pieces) => pieces.join(''));
const names = fc.uniqueArray(text, { minLength: 2, maxLength: 8 });

describe('keys and owners from whoever', () => {
  let server: RedisServer;
  let client: Redis;
  let adapter: LockAdapter;

  beforeAll(async () => {
    server = await startRedis({ password });
    // Whatever would reach a key beyond the prefix is refused by the server, and fails the test.
    await server.command('ACL', 'SETUSER', 'app', 'on', `>${password}`, '~lock:*', '~fence:*', '&lock:*', '+@all');
    client = new Redis({ host: '127.0.0.1', port: server.port, username: 'app', password });
    adapter = ioredisAdapter(client);
  });
  afterAll(async () => {
    await adapter?.close?.();
    client?.disconnect();
    await server?.stop();
  });

  const signal = new AbortController().signal;
  const ask = (key: string, owner: string) => adapter.tryAcquire({ key, owner, ttlMs: 60_000, tokens: 1, signal });
  const keysOfServer = async () => ((await server.command('KEYS', '*')) as string[]).sort();

  it('H4, H86: each key has Redis keys of its own, each owner is compared whole, and nothing else is touched', {
    timeout: 120_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(names, names, async (keys, owners) => {
        await server.command('FLUSHALL');
        await server.command('SET', 'canary', 'alive');
        const ownerOf = (index: number): string => owners[index % owners.length]!;
        const tokens = new Map<string, bigint | undefined>();
        for (const [index, key] of keys.entries()) {
          const before = (await keysOfServer()).length;
          const outcome = await ask(key, ownerOf(index));
          if (outcome.status !== 'granted') throw new Error(`${JSON.stringify(key)} was busy, and nobody has it`);
          tokens.set(key, outcome.fencingToken);
          // A lock and its fence, which nobody had before.
          expect(await keysOfServer()).toHaveLength(before + 2);
        }
        for (const [index, key] of keys.entries()) {
          // Neither a longer nor a shorter owner, nor one with a pattern in it, is the owner.
          for (const other of [
            `${ownerOf(index)}x`,
            ownerOf(index).slice(1),
            '*',
            owners[(index + 1) % owners.length]!,
          ]) {
            if (other === ownerOf(index)) continue;
            expect(await ask(key, other)).toMatchObject({ status: 'busy' });
            expect(await adapter.renew({ key, owner: other }, 60_000)).toEqual({ status: 'lost' });
            expect(await adapter.release({ key, owner: other })).toBe('not-held');
          }
          expect(await adapter.inspect?.(key)).toMatchObject({
            key,
            owner: ownerOf(index),
            fencingToken: tokens.get(key),
          });
        }
        const page = await adapter.keys?.();
        expect([...(page?.keys ?? [])].sort()).toEqual([...keys].sort());

        const [first, ...rest] = keys;
        expect(await adapter.forceRelease?.(first!)).toBe(true);
        for (const [index, key] of rest.entries()) {
          expect(await adapter.inspect?.(key)).toMatchObject({ owner: ownerOf(index + 1) });
          expect(await adapter.release({ key, owner: ownerOf(index + 1) })).toBe('released');
        }
        const left = await keysOfServer();
        expect(left).toHaveLength(keys.length + 1);
        expect(left.filter((key) => !key.startsWith('fence:'))).toEqual(['canary']);
        expect(await server.command('GET', 'canary')).toBe('alive');
      }),
      { numRuns: 60 },
    );
  });

  it('a pattern of list finds what it matches, whatever the keys', async () => {
    await server.command('FLUSHALL');
    const locks = createLocks(ioredisAdapter(client));
    const keys = ['a*b', 'a?b', 'a[b]', 'a\\b', 'a.b', 'axb', 'A*B', 'a\nb', '{a}b', 'a$', '(a|b)'];
    for (const key of keys) await locks.acquire(key);
    const found = async (pattern: string): Promise<string[]> => {
      const all: string[] = [];
      for await (const { key } of locks.list(pattern)) all.push(key);
      return all.sort();
    };
    expect(await found('*')).toEqual([...keys].sort());
    expect(await found('a?b')).toEqual(['a*b', 'a?b', 'a\\b', 'a.b', 'axb', 'a\nb'].sort());
    expect(await found('a[b]')).toEqual(['a[b]']);
    expect(await found('(a|b)')).toEqual(['(a|b)']);
    expect(await found('a$')).toEqual(['a$']);
    await locks.close();
  });
});
