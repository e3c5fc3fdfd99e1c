import { randomInt } from 'node:crypto';
import { createLocks, type Lock, type Locks } from '@holdfast/lock-core';
import { type FaultProxy, faultProxy, startZookeeper } from '@holdfast/testbed';
import { expect, it } from 'vitest';
import { zookeeperAdapter } from '../src/index.ts';
import { rawClient, until } from './support/clients.ts';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

it('H64 to H76 together: random cuts, partitions, delays and freezes; never two holders, tokens rise, nothing stays behind', async () => {
  await using server = await startZookeeper();
  const clients: Locks[] = [];
  const faults: FaultProxy[] = [];
  for (let i = 0; i < 3; i++) {
    const proxy = await faultProxy(server);
    faults.push(proxy);
    const servers = `${proxy.host}:${proxy.port}`;
    clients.push(
      createLocks(zookeeperAdapter({ servers, sessionTimeoutMs: 2_000 }), { ttlMs: 1_500, backendTimeoutMs: 60_000 }),
    );
  }
  const end = performance.now() + 5_000;
  const granted: Lock[] = [];
  let newest = 0n;
  const worker = async (id: number): Promise<void> => {
    while (performance.now() < end) {
      const lock = await clients[id % 3]!.acquire('chaos');
      // One process, one clock: whoever believed in the lock until now must have stopped by now.
      for (const other of granted) expect(other.remainingMs).toBe(0);
      expect(lock.fencingToken).toBeGreaterThan(newest);
      newest = lock.fencingToken as bigint;
      granted.push(lock);
      await pause(randomInt(20));
      await lock.release();
    }
  };
  const working = Promise.all(Array.from({ length: 9 }, (_, id) => worker(id)));
  working.catch(() => {});
  while (performance.now() < end) {
    await pause(randomInt(300));
    const proxy = faults[randomInt(3)]!;
    const fault = randomInt(6);
    if (fault === 0) proxy.cut();
    else if (fault === 1) proxy.delay(randomInt(100));
    else if (fault === 2) proxy.refuse();
    else if (fault === 3) server.freeze();
    else if (fault === 4) proxy.hold();
    else proxy.blackHole(randomInt(2) ? 'to-client' : 'both');
    await pause(randomInt(fault === 3 ? 1_500 : 700));
    server.thaw();
    if (randomInt(3)) await proxy.heal();
  }
  for (const proxy of faults) {
    proxy.delay(0);
    await proxy.heal();
  }
  await working;
  expect(granted.length).toBeGreaterThan(9);
  await using raw = await rawClient(`127.0.0.1:${server.port}`);
  await until('nothing stays behind', async () => (await raw.children('/locks/chaos')).length === 0);
  for (const locks of clients) await locks.close();
  for (const proxy of faults) await proxy.close();
});
