import { startRedisNodes } from '@holdfast/testbed';
import { expect, it } from 'vitest';
import { openLocks } from '../src/index.ts';
import { schemes } from '../src/schemes.ts';
import { expectExclusion, refusal } from './support.ts';

it.each(['redlock', 'redlock+ioredis', 'redlock+node-redis'])(
  '%s:// opens independent nodes',
  { timeout: 60_000 },
  async (scheme) => {
    const group = await startRedisNodes(3);
    try {
      const nodes = group.nodes.map((node) => `${node.host}:${node.port}`).join(',');
      expect(await expectExclusion(`${scheme}://${nodes}?prefix=shop:&nodeTimeout=1s`)).toBe('redlock');
      await using locks = await openLocks(`${scheme}://${nodes}`, { require: { fencing: true } });
      expect(locks.adapter.capabilities).toMatchObject(schemes.redlock!.gives);
      const plain = `${scheme}://${nodes}?fencing=false`;
      await using tokenless = await openLocks(plain);
      expect(tokenless.adapter.capabilities.fencing).toBe(false);
      expect(await tokenless.using('plain', (lock) => lock.fencingToken)).toBeUndefined();
      await refusal(openLocks(plain, { require: { fencing: true } }), 'LOCK_UNSUPPORTED');
      await refusal(openLocks(`${scheme}://${nodes}`, { require: { fairness: 'fifo' } }), 'LOCK_UNSUPPORTED');
    } finally {
      await group.stop();
    }
  },
);

it('redlock:// notices at start-up that no majority is there', { timeout: 60_000 }, async () => {
  await using group = await startRedisNodes(1);
  const [node] = group.nodes;
  const url = `redlock://${node!.host}:${node!.port},127.0.0.1:1,127.0.0.1:2?backendTimeout=500ms`;
  const begin = performance.now();
  const error = await refusal(openLocks(url), 'LOCK_BACKEND');
  expect(error.message).toMatch(/redlock:\/\/127[^ ]+ \(redlock\) does not answer/);
  expect(performance.now() - begin).toBeLessThan(10_000);
});
