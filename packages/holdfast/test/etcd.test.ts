import { startEtcd } from '@holdfast/testbed';
import { expect, it } from 'vitest';
import { openLocks } from '../src/index.ts';
import { schemes } from '../src/schemes.ts';
import { expectExclusion, refusal } from './support.ts';

it('etcd:// opens a cluster with a prefix and options', { timeout: 60_000 }, async () => {
  await using server = await startEtcd();
  const address = `${server.host}:${server.port}`;
  expect(await expectExclusion(`etcd://${address}`)).toBe('etcd');
  await expectExclusion(`etcd://${address},${address}/shop?ttl=5s&callTimeout=1s`);

  await using locks = await openLocks(`etcd://${address}`, {
    require: { fencing: true, survivesFailover: true, fairness: 'fifo' },
  });
  expect(locks.adapter.capabilities).toMatchObject(schemes.etcd!.gives);
  await refusal(openLocks(`etcd://${address}`, { require: { expiry: 'session' } }), 'LOCK_UNSUPPORTED');
});

it('etcd:// notices at start-up that nobody is there', { timeout: 60_000 }, async () => {
  const begin = performance.now();
  const error = await refusal(openLocks('etcd://127.0.0.1:1?backendTimeout=500ms'), 'LOCK_BACKEND');
  expect(error.message).toContain('etcd://127.0.0.1:1 (etcd) does not answer: connect ECONNREFUSED 127.0.0.1:1.');
  expect(performance.now() - begin).toBeLessThan(10_000);
});
