import { createLocks } from '@holdfast/lock-core';
import { type RedisServer, startRedis } from '@holdfast/testbed';
import { Redis } from 'ioredis';
import * as five from 'ioredis-5';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lockError } from '../../redis-protocol/test/support/helpers.ts';
import { ioredisAdapter } from '../src/index.ts';

describe.each([
  ['ioredis 6', Redis],
  ['ioredis 5', five.Redis as unknown as typeof Redis],
])('%s: the keyPrefix of the client', (_name, Client) => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server?.stop());

  it('comes before every key, and waiters are woken all the same', async () => {
    const client = new Client({ host: server.host, port: server.port, keyPrefix: 'app:' });
    const [one, other] = [createLocks(ioredisAdapter(client)), createLocks(ioredisAdapter(client))];
    const lock = await one.acquire('k');
    expect(await server.command('EXISTS', 'app:lock:k', 'app:fence:{app:lock:k}')).toBe(2);
    const waiting = other.acquire('k', { waitMs: 20_000 });
    await expect
      .poll(() => server.command('PUBSUB', 'NUMSUB', 'app:lock:k'), { timeout: 20_000 })
      .toEqual(['app:lock:k', 1]);
    await lock.release();
    expect((await waiting).state).toBe('held');
    await Promise.all([one.close(), other.close()]);
    client.disconnect();
  });

  it('H17: must have no braces, since they would move the keys to other slots', () => {
    const client = new Client({ lazyConnect: true, keyPrefix: 'a{b' });
    expect(() => ioredisAdapter(client)).toThrow(lockError('LOCK_INVALID_ARGUMENT') as Error);
    client.disconnect();
  });
});
