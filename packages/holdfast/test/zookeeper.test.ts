import { startZookeeper } from '@holdfast/testbed';
import { expect, it } from 'vitest';
import { openLocks } from '../src/index.ts';
import { schemes } from '../src/schemes.ts';
import { expectExclusion, refusal } from './support.ts';

it('zookeeper:// opens an ensemble with a chroot, credentials and options', { timeout: 60_000 }, async () => {
  await using server = await startZookeeper();
  const address = `${server.host}:${server.port}`;
  expect(await expectExclusion(`zookeeper://${address}`)).toBe('zookeeper');
  await expectExclusion(`zookeeper://user:p%40ss@${address},${address}/shop/eu?sessionTimeout=5s&prefix=/own`);

  await using locks = await openLocks(`zookeeper://${address}`, {
    require: { fencing: true, survivesFailover: true, fairness: 'fifo' },
  });
  expect(locks.adapter.capabilities).toMatchObject(schemes.zookeeper!.gives);
  await refusal(openLocks(`zookeeper://${address}`, { require: { expiry: 'ttl' } }), 'LOCK_UNSUPPORTED');
});

it('zookeeper:// notices at start-up that nobody is there', { timeout: 60_000 }, async () => {
  const begin = performance.now();
  const error = await refusal(openLocks('zookeeper://127.0.0.1:1?backendTimeout=500ms'), 'LOCK_BACKEND');
  expect(error.message).toContain(
    'zookeeper://127.0.0.1:1 (zookeeper) does not answer: connect ECONNREFUSED 127.0.0.1:1.',
  );
  expect(performance.now() - begin).toBeLessThan(10_000);
});
