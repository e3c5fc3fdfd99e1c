import { type RedisServer, startRedis } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLocks } from '../../src/index.ts';
import { holdfast, start, until } from './support.ts';

let server: RedisServer;
let env: { LOCK_URL: string };

beforeAll(async () => {
  server = await startRedis();
  env = { LOCK_URL: server.url };
});
afterAll(() => server?.stop());

describe('acquire and release', { timeout: 90_000 }, () => {
  it('needs a token or --force', async () => {
    const { code, stderr } = await holdfast(['release', 'k'], env);
    expect(code).toBe(64);
    expect(stderr).toContain('give --token <token>, or --force');
  });

  it('by the token that acquire printed: that lock and no other', async () => {
    const { code, stdout } = await holdfast(['acquire', 'steps', '--ttl', '1m'], env);
    expect(code).toBe(0);
    const token = stdout.trim();
    await using locks = await openLocks(server.url);
    expect(await locks.inspect('steps')).toMatchObject({ fencingToken: BigInt(token) });
    expect((await holdfast(['acquire', 'steps', '--ttl', '1m', '--wait', '50ms'], env)).code).toBe(75);
    const wrong = await holdfast(['release', 'steps', '--token', String(BigInt(token) - 1n)], env);
    expect(wrong).toMatchObject({ code: 1, stdout: 'steps is held with another token\n' });
    expect(await locks.inspect('steps')).toBeDefined();
    expect(await holdfast(['release', 'steps', '--token', token], env)).toMatchObject({ code: 0 });
    expect(await locks.inspect('steps')).toBeUndefined();
  });

  it('acquire: a signal ends the waiting with 128 + its number, and nothing is left', async () => {
    await using locks = await openLocks(server.url);
    const lock = await locks.acquire('given-up');
    const waiting = start(['acquire', 'given-up', '--ttl', '1m', '--json'], env);
    await until('it waits', async () => (await locks.inspect('given-up'))?.waiters === 1);
    waiting.child.kill('SIGTERM');
    expect(await waiting.ended).toEqual({ code: 143, stdout: '', stderr: '' });
    await lock.release();
    expect(await locks.inspect('given-up')).toBeUndefined();
  });

  it('acquire: a lock whose token nobody reads is released', async () => {
    const unread = start(['acquire', 'unread', '--ttl', '1h'], env);
    unread.child.stdout!.destroy();
    const { code, stderr } = await unread.ended;
    expect({ code, stderr }).toEqual({ code: 74, stderr: expect.stringContaining('so the lock was released') });
    await using locks = await openLocks(server.url);
    expect(await locks.inspect('unread')).toBeUndefined();
  });

  it('acquire: with the options of flock, and JSON', async () => {
    const taken = await holdfast(['acquire', 'ci', '--ttl', '1m', '--json', '-n'], env);
    const answer = JSON.parse(taken.stdout);
    expect(answer).toEqual({
      key: 'ci',
      fencingToken: expect.stringMatching(/^\d+$/),
      remainingMs: expect.any(Number),
    });
    expect((await holdfast(['acquire', 'ci', '--ttl', '1m', '-n', '-E', '3'], env)).code).toBe(3);
    expect((await holdfast(['acquire', 'ci', '--ttl', '1m', '-w', '0.1', '-E', '4'], env)).code).toBe(4);
    expect((await holdfast(['release', 'ci', '--token', answer.fencingToken], env)).code).toBe(0);
  });

  it('asks, and where nobody can answer it leaves the lock alone', async () => {
    await using locks = await openLocks(server.url);
    await using _ = await locks.acquire('asked');
    const { code, stderr } = await holdfast(['release', '--force', 'asked'], env);
    expect(code).toBe(64);
    expect(stderr).toContain('add --yes');
    expect(await locks.inspect('asked')).toBeDefined();
  });

  it('--yes frees it, and says so; a free one is 1', async () => {
    await using locks = await openLocks(server.url);
    await using _ = await locks.acquire('forced');
    const forced = await holdfast(['release', '--force', '--yes', 'forced'], env);
    expect(forced).toEqual({ code: 0, stdout: 'forced is free now\n', stderr: '' });
    expect(await locks.inspect('forced')).toBeUndefined();
    const again = await holdfast(['release', '--force', '--yes', '--json', 'forced'], env);
    expect([again.code, JSON.parse(again.stdout)]).toEqual([1, { key: 'forced', released: false }]);
  });
});
