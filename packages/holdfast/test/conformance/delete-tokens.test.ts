import { randomBytes } from 'node:crypto';
import { startRedis } from '@holdfast/testbed';
import { expect, it, onTestFinished } from 'vitest';
import { urlHarness } from '../../src/cli/conformance/url-harness.ts';

it.each(['', '+node-redis'])('redis%s: after a run no key of it is left, and no other key is gone', async (client) => {
  const server = await startRedis();
  onTestFinished(() => server.stop());
  await server.command('SET', 'fence:{lock:theirs}', '1700000000000000 1');
  const harness = await urlHarness(server.url.replace('redis:', `redis${client}:`));
  const adapter = await harness.adapter();
  const { signal } = new AbortController();
  for (const name of ['', '{tag}', ' }']) {
    const key = `LK-0042-${randomBytes(16).toString('hex')}-0${name}`;
    const attempt = { key, owner: randomBytes(16).toString('hex'), ttlMs: 10_000, tokens: 1, signal };
    expect(await adapter.tryAcquire(attempt)).toMatchObject({ status: 'granted' });
    expect(await adapter.release(attempt)).toBe('released');
  }
  await adapter.close?.();
  expect(await server.command('DBSIZE')).toBe(4);
  await harness[Symbol.asyncDispose]();
  expect(await server.command('KEYS', '*')).toEqual(['fence:{lock:theirs}']);
});
