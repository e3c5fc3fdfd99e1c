import type { RedisServer } from '@holdfast/testbed';
import { expect, it } from 'vitest';
import { attempt, grant, lockError, newName, sleep, until } from '../../redis-protocol/test/support/helpers.ts';
import { useRig } from './support/rig.ts';

const rig = useRig();

const freeze = (...nodes: number[]): void => nodes.forEach((i) => void rig.servers[i]!.freeze());
const thaw = (...nodes: number[]): void => nodes.forEach((i) => void rig.servers[i]!.thaw());
const mentions = (name: string) => (request: Buffer) => request.includes(`lock:${name}`);
const noneLeft = (name: string) => until(`no vote of ${name} is left`, async () => (await rig.votes(name)) === 0);

it('H33: two of five nodes stopped: the others decide, and nobody waits for those two', {
  timeout: 180_000,
}, async () => {
  const locks = await rig.locks({}, { nodeTimeoutMs: 5_000 });
  const name = newName();
  const p99 = async (): Promise<number> => {
    const took: number[] = [];
    for (let i = 0; i < 100; i++) {
      const sentAt = performance.now();
      const lock = await locks.acquire(name);
      took.push(performance.now() - sentAt);
      await lock.release();
    }
    return took.sort((a, b) => a - b)[98]!;
  };
  await p99();
  const healthy: number[] = [];
  const halved: number[] = [];
  for (let round = 0; round < 3; round++) {
    healthy.push(await p99());
    freeze(1, 3);
    halved.push(await p99());
    thaw(1, 3);
  }
  // The best of three, since other work on the machine comes in bursts; and timers have a grain.
  expect(Math.min(...halved)).toBeLessThan(2 * Math.min(...healthy) + 5);
});

it('H11: three of five nodes killed: LOCK_BACKEND in time, and no orphan when they are back', async () => {
  const locks = await rig.locks({ backendTimeoutMs: 1_000, ttlMs: 60_000 });
  await (await locks.acquire(newName('warm'))).release();
  const name = newName();
  const down = rig.servers.slice(0, 3);
  await Promise.all(down.map((server) => server.kill()));
  const sentAt = performance.now();
  await expect(locks.acquire(name)).rejects.toEqual(lockError('LOCK_BACKEND'));
  expect(performance.now() - sentAt).toBeLessThan(10_000);
  await Promise.all(down.map((server) => server.restart()));
  await noneLeft(name);
  const lock = await locks.acquire(name);
  expect(await lock.release()).toBe('released');
});

it('H11, H15, H30: three of five nodes stopped: LOCK_BACKEND, and the votes that come in late are withdrawn', async () => {
  const locks = await rig.locks({ backendTimeoutMs: 1_000, attemptTimeoutMs: 700, ttlMs: 60_000 });
  await (await locks.acquire(newName('warm'))).release();
  const name = newName();
  freeze(0, 2, 4);
  await expect(locks.acquire(name)).rejects.toEqual(lockError('LOCK_BACKEND'));
  thaw(0, 2, 4);
  // A minute before they would expire.
  await noneLeft(name);
});

it.each([true, false])(
  'H12, H13: replies to the votes are swallowed and the connections reset: acquired, and held alone (fencing: %s)',
  async (fencing) => {
    const locks = await rig.locks({ ttlMs: 60_000 }, { fencing });
    const warmUp = newName('warm');
    await (await locks.acquire(warmUp)).release();
    await noneLeft(warmUp);
    const name = newName();
    const swallowed = rig.proxies
      .slice(0, 3)
      .map((proxy) => proxy.swallowReplies({ match: mentions(name), thenCut: true }));
    const lock = await locks.acquire(name);
    await Promise.all(swallowed);
    expect(lock.state).toBe('held');
    const other = await rig.adapter({}, rig.servers);
    expect(await other.tryAcquire(attempt(name))).toMatchObject({ status: 'busy' });
    expect(await lock.release()).toBe('released');
    await noneLeft(name);
  },
);

it('H14: replies to the release are swallowed: released, and nothing is left', async () => {
  const locks = await rig.locks({ ttlMs: 60_000 });
  const name = newName();
  const lock = await locks.acquire(name);
  await until('all nodes voted', async () => (await rig.votes(name)) === 5);
  const swallowed = rig.proxies.map((proxy) => proxy.swallowReplies({ match: mentions(name), thenCut: true }));
  expect(await lock.release()).toBe('released');
  await Promise.all(swallowed);
  await noneLeft(name);
});

it('H11: the release is lost with the connections to a minority: those votes go as soon as the connections are back', async () => {
  const locks = await rig.locks({ ttlMs: 60_000 });
  const name = newName();
  const lock = await locks.acquire(name);
  await until('all nodes voted', async () => (await rig.votes(name)) === 5);
  // One node through each client library.
  const minority = rig.proxies.slice(0, 2);
  for (const proxy of minority) proxy.blackHole('to-server');
  expect(await lock.release()).toBe('released');
  await until('the others are free', async () => (await rig.votes(name)) === 2);
  for (const proxy of minority) proxy.cut();
  await Promise.all(minority.map((proxy) => proxy.heal()));
  await noneLeft(name);
});

it('H11: a minority is busy with a long script at the release: those votes go soon after it', async () => {
  const locks = await rig.locks({ ttlMs: 60_000 });
  const name = newName();
  const lock = await locks.acquire(name);
  await until('all nodes voted', async () => (await rig.votes(name)) === 5);
  // One node through each client library.
  const minority = rig.servers.slice(0, 2);
  const answers = (server: RedisServer) =>
    server.command('PING').then(
      () => true,
      () => false,
    );
  for (const server of minority) {
    await server.command('CONFIG', 'SET', 'busy-reply-threshold', '10');
    void server.command('EVAL', 'while true do end', '0').catch(() => {});
  }
  for (const server of minority) await until('the server refuses', async () => !(await answers(server)));
  expect(await lock.release()).toBe('released');
  // Long enough that the two have refused it.
  await sleep(300);
  for (const server of minority) {
    await server.command('SCRIPT', 'KILL');
    await until('the server answers', () => answers(server));
    await server.command('CONFIG', 'SET', 'busy-reply-threshold', '5000');
  }
  await noneLeft(name);
});

it('H16: SCRIPT FLUSH on every node between every two operations', async () => {
  const adapter = await rig.adapter();
  const request = attempt(newName());
  const flush = () => Promise.all(rig.servers.map((server) => server.command('SCRIPT', 'FLUSH')));
  await flush();
  const { fencingToken } = await grant(adapter, request);
  await flush();
  expect(await adapter.renew({ ...request, fencingToken }, 5_000)).toMatchObject({ status: 'renewed' });
  await flush();
  expect(await adapter.inspect?.(request.key)).toMatchObject({ owner: request.owner, fencingToken });
  await flush();
  expect(await adapter.release(request)).toBe('released');
  await flush();
  expect(await adapter.forceRelease?.(request.key)).toBe(false);
});

it('H20: a minority that restarts empty takes nothing from the holder', async () => {
  const locks = await rig.locks({ ttlMs: 30_000 });
  const name = newName();
  const lock = await locks.acquire(name);
  await until('all nodes voted', async () => (await rig.votes(name)) === 5);
  await Promise.all([rig.servers[0]!.restart({ empty: true }), rig.servers[3]!.restart({ empty: true })]);
  const other = await rig.adapter({}, rig.servers);
  expect(await other.tryAcquire(attempt(name))).toMatchObject({ status: 'busy' });
  await lock.renew();
  lock.assertHeld();
  expect(await lock.release()).toBe('released');
});

it('H45, H46: a majority stops while the lock is held: its loss is announced before any vote can expire', async () => {
  const locks = await rig.locks({ ttlMs: 1_500 });
  const lock = await locks.acquire(newName());
  freeze(0, 1, 2);
  // No renewal that has an answer was sent after this.
  const lastSend = performance.now();
  await new Promise((resolve) => lock.signal.addEventListener('abort', resolve, { once: true }));
  expect(performance.now() - lastSend).toBeLessThan(1_500);
  expect(lock.signal.reason).toEqual(lockError('LOCK_LOST'));
});

it('H47: answers that take most of the lease: it counts from before the votes were asked for', async () => {
  const adapter = await rig.adapter({ nodeTimeoutMs: 2_000 });
  await grant(adapter, attempt(newName('warm')));
  const ttlMs = 2_000;
  const request = attempt(newName(), { ttlMs });
  for (const proxy of rig.proxies) proxy.delay(ttlMs * 0.4, 'to-client');
  const sentAt = performance.now();
  const { validForMs } = await grant(adapter, request);
  for (const proxy of rig.proxies) proxy.delay(0);
  const stranger = await rig.adapter({}, rig.servers);
  const other = attempt(request.key);
  await until('the lease ends', async () => (await stranger.tryAcquire(other)).status === 'granted');
  expect(performance.now()).toBeGreaterThan(sentAt + validForMs);
});

it('H43: a stopped node does not pile up commands', async () => {
  const locks = await rig.locks({}, { nodeTimeoutMs: 100 });
  const node = rig.servers[2]!;
  const calls = async (): Promise<number> => {
    const stats = String(await node.command('INFO', 'commandstats'));
    return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0);
  };
  await (await locks.acquire(newName('warm'))).release();
  await node.command('CONFIG', 'RESETSTAT');
  freeze(2);
  const name = newName();
  const begin = performance.now();
  let acquired = 0;
  while (performance.now() - begin < 1_500) {
    await (await locks.acquire(name)).release();
    acquired += 1;
  }
  thaw(2);
  await until('the node answers', calls);
  await noneLeft(name);
  // Two a time-out at most once it is known to be silent, and what came before.
  expect(await calls()).toBeLessThan(Math.max(100, acquired));
});
