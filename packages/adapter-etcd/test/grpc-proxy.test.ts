import { setTimeout as sleep } from 'node:timers/promises';
import { createLocks } from '@holdfast/lock-core';
import { type ServerProcess, startEtcd, startEtcdGrpcProxy } from '@holdfast/testbed';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { adapterOf, attemptFor, clientOf, newName, placesOf, waitIn } from './support/etcd.ts';

let server: ServerProcess;
let proxy: ServerProcess;
beforeAll(async () => {
  server = await startEtcd();
  proxy = await startEtcdGrpcProxy(server);
});
afterAll(async () => {
  await proxy.stop();
  await server.stop();
});

it('a lock is held through the gRPC proxy for several TTLs, and the proxy survives it', async () => {
  const { pid } = proxy;
  const locks = createLocks(adapterOf(proxy), { ttlMs: 2_000 });
  const lock = await locks.acquire(newName());
  const waiting = createLocks(adapterOf(proxy)).acquire(lock.key);
  await sleep(7_000);
  expect(lock.state).toBe('held');
  await lock.release();
  expect((await waiting).state).toBe('held');
  expect(proxy.logs).not.toContain('panic');
  expect(proxy.pid).toBe(pid);
}, 30_000);

it('waiters behind the gRPC proxy get the lock in their order, from a holder that is not behind it', async () => {
  const [direct, adapter] = [adapterOf(server), adapterOf(proxy)];
  const hold = attemptFor(newName());
  await direct.tryAcquire(hold);
  const served: number[] = [];
  const waits: Promise<void>[] = [];
  for (let i = 0; i < 10; i += 1) {
    const { waiting, owner } = await waitIn(i % 2 ? adapter : adapterOf(proxy), hold.key);
    waits.push(
      waiting.then(async () => {
        served.push(i);
        await adapter.release({ key: hold.key, owner });
      }),
    );
  }
  const releasedAt = performance.now();
  await direct.release(hold);
  await Promise.all(waits);
  expect(served).toEqual(Array.from(waits, (_, i) => i));
  // Each hand-over is told by a watch, and does not wait for a look that is made now and then.
  expect(performance.now() - releasedAt).toBeLessThan(10_000);
  expect(await placesOf(clientOf(server), hold.key)).toHaveLength(0);
}, 30_000);
