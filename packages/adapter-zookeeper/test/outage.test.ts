import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type AcquireAttempt, createLocks, type LockAdapter, type LockError, type Locks } from '@holdfast/lock-core';
import { faultProxy } from '@holdfast/testbed';
import { expect, it } from 'vitest';
import { zookeeperAdapter } from '../src/index.ts';
import { attempt } from './support/attempt.ts';
import { until } from './support/clients.ts';
import { useServer } from './support/server.ts';

const zookeeper = useServer();
const open = (options: object = {}): LockAdapter => zookeeperAdapter({ servers: zookeeper.at, ...options });
const children = (key: string): Promise<string[]> => zookeeper.raw.children(`/locks/${key}`);

it('waiters that are aborted at random moments, connected or not, leave no node (H42, H106)', {
  timeout: 60_000,
}, async () => {
  await using proxy = await faultProxy(zookeeper.server);
  const adapter = open({ servers: `${proxy.host}:${proxy.port}`, sessionTimeoutMs: 60_000 });
  const holder = open();
  const held = attempt('aborted');
  await holder.tryAcquire(held);
  for (let round = 0; round < 6; round += 1) {
    const unknown: AcquireAttempt[] = [];
    const waits = Array.from({ length: 20 }, async () => {
      const abort = new AbortController();
      const request = attempt('aborted');
      const waiting = adapter.enqueue!(request, abort.signal);
      waiting.catch(() => {});
      await sleep(randomInt(30));
      abort.abort(new Error('given up'));
      const reason = await waiting.catch((error: Error) => error.message);
      if (reason !== 'given up') unknown.push(request);
    });
    await sleep(randomInt(20));
    if (round % 3 === 1) proxy.cut();
    if (round % 3 === 2) proxy.blackHole();
    await Promise.all(waits);
    await proxy.heal();
    // Any other reason means that nobody knows, and the caller is to release until it has an answer.
    for (const request of unknown) {
      await until('the release has an answer', () =>
        adapter.release(request).then(
          () => true,
          () => false,
        ),
      );
    }
  }
  await until('only the holder is left', async () => (await children('aborted')).length === 1, 20_000);
  expect(await holder.release(held)).toBe('released');
  await Promise.all([adapter.close!(), holder.close!()]);
});

it('an outage costs no memory, timers or releases, and the first lock follows soon after it (H116)', {
  timeout: 60_000,
}, async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  await using proxy = await faultProxy(zookeeper.server);
  const released = new Set<string>();
  // One gives up before the adapter has waited for a connection, the other asks again and again.
  const both = [1_000, 2_500].map((backendTimeoutMs) => {
    const adapter = open({ servers: `${proxy.host}:${proxy.port}` });
    const { release } = adapter;
    adapter.release = (hold) => {
      released.add(hold.owner);
      return release(hold);
    };
    return createLocks(adapter, { backendTimeoutMs });
  });
  const useOnce = (locks: Locks): Promise<boolean> =>
    locks.using('outage', () => true).catch((_error: LockError) => false);
  for (const locks of both) await until('it works', () => useOnce(locks));
  proxy.refuse();
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const timersBefore = timers();
  let failed = 0;
  const heapAfter = async (ms: number): Promise<number> => {
    const end = performance.now() + ms;
    const asked: Promise<unknown>[] = [];
    for (let i = 0; performance.now() < end; i += 1) {
      const call = both[i % 2]!.acquire(`outage-${i}`, { waitMs: 500 });
      asked.push(call.catch((error: LockError) => (failed += Number(error.code === 'LOCK_BACKEND'))));
      await sleep(5);
    }
    await Promise.all(asked);
    collect();
    return process.memoryUsage().heapUsed;
  };
  // The first may still be sent, before the adapter notices.
  let heap = await heapAfter(1_000);
  const releasedBefore = released.size;
  // What is kept of every attempt grows in each second; what Node compiles or caches, in the first ones.
  const growths: number[] = [];
  do {
    const before = heap;
    heap = await heapAfter(1_000);
    growths.push(heap - before);
  } while (growths.length < 10 && growths.at(-1)! > 50_000);
  expect(growths.at(-1), `bytes that each second added: ${growths}`).toBeLessThan(50_000);
  expect(released.size).toBe(releasedBefore);
  expect(failed).toBeGreaterThan(100);
  await until('no timer is left of them', () => timers() <= timersBefore + 4, 3_000);
  await proxy.heal();
  // The pause between two attempts to connect is at most a second; the rest is for a busy machine.
  for (const locks of both) await until('the first lock follows', () => useOnce(locks), 5_000);
  await Promise.all(both.map((locks) => locks.close()));
});
