import { fork } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLocks } from '@holdfast/lock-core';
import { startZookeeper, type ZookeeperServer } from '@holdfast/testbed';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createClient } from '../src/client.ts';
import { type ClientFactory, zookeeperAdapter } from '../src/index.ts';
import { type Raw, rawClient, until } from './support/clients.ts';

let server: ZookeeperServer;
let at: string;
let raw: Raw;

beforeAll(async () => {
  server = await startZookeeper();
  at = `127.0.0.1:${server.port}`;
  raw = await rawClient(at);
});

afterAll(async () => {
  await raw?.close();
  await server?.stop();
});

const watchesOnServer = async (): Promise<number> =>
  Number(/Total watches:(\d+)/.exec(await server.fourLetter('wchs'))?.[1] ?? 0);

it('H39, H71: with 50 waiters a hand-over is one watch event and one look at the queue', async () => {
  let events = 0;
  let looks = 0;
  const clientFactory: ClientFactory = (address, options) => {
    const client = createClient(address, options);
    const { getData, getChildren } = client;
    client.getData = (path, watcher, done) => {
      const counted = (): void => {
        events += 1;
        watcher();
      };
      getData.call(client, path, counted, done);
    };
    client.getChildren = (path, done) => {
      looks += 1;
      getChildren.call(client, path, done);
    };
    return client;
  };
  await using locks = createLocks(zookeeperAdapter({ servers: at, clientFactory }));
  const lock = await locks.acquire('herd');
  const waits = Array.from({ length: 50 }, () => locks.using('herd', () => {}));
  await until('all are queued', async () => (await raw.children('/locks/herd')).length === 51);
  await until('all watch', async () => (await watchesOnServer()) === 50);
  [events, looks] = [0, 0];
  await lock.release();
  await Promise.all(waits);
  expect({ events, looks }).toEqual({ events: 50, looks: 50 });
  expect(await watchesOnServer()).toBe(0);
});

it('H42, H43: 200 waiters that gave up leave no node, and not more than one watch per node', async () => {
  const [one, two] = [zookeeperAdapter({ servers: at }), zookeeperAdapter({ servers: at })].map((adapter) =>
    createLocks(adapter),
  );
  const lock = await one!.acquire('given-up');
  for (let round = 0; round < 2; round++) {
    const abort = new AbortController();
    const waits = Array.from({ length: 100 }, (_, i) =>
      (i % 2 ? one : two)!.acquire(
        'given-up',
        i % 4 < 2 ? { signal: AbortSignal.any([abort.signal]) } : { waitMs: 50 },
      ),
    );
    const settled = Promise.allSettled(waits);
    await until('the patient are queued', async () => (await raw.children('/locks/given-up')).length > 20);
    abort.abort();
    expect((await settled).every(({ status }) => status === 'rejected')).toBe(true);
    await until('their nodes are gone', async () => (await raw.children('/locks/given-up')).length === 1);
  }
  // Each process has left one on the holder's node at most.
  expect(await watchesOnServer()).toBeLessThanOrEqual(2);
  expect(await lock.release()).toBe('released');
  expect(await watchesOnServer()).toBe(0);
  await Promise.all([one!.close(), two!.close()]);
});

it('H73: a predecessor that goes between the look and the watch: the waiter is served at once', async () => {
  let beforeWatch: (() => Promise<void>) | undefined;
  const clientFactory: ClientFactory = (address, options) => {
    const client = createClient(address, options);
    const { getData } = client;
    client.getData = (path, watcher, done) => {
      const send = (): void => getData.call(client, path, watcher, done);
      if (beforeWatch === undefined) send();
      else void beforeWatch().then(send);
    };
    return client;
  };
  const [holder, waiter] = [
    createLocks(zookeeperAdapter({ servers: at })),
    createLocks(zookeeperAdapter({ servers: at, clientFactory })),
  ];
  const lock = await holder.acquire('vanished');
  beforeWatch = async () => {
    beforeWatch = undefined;
    await lock.release();
  };
  const next = await waiter.acquire('vanished');
  expect(next.fencingToken).toBeGreaterThan(lock.fencingToken as bigint);
  await next.release();
  expect(await watchesOnServer()).toBe(0);
  await Promise.all([holder.close(), waiter.close()]);
});

it('H72: sequence numbers that have wrapped around keep their order', async () => {
  const adapter = zookeeperAdapter({ servers: at });
  await raw.create('/locks/wrap');
  await raw.create('/locks/wrap/_c_b-lock--2147483648');
  await raw.create('/locks/wrap/_c_a-lock-2147483647');
  await raw.create('/locks/wrap/_c_c-lock--2147483647');
  expect(await adapter.inspect!('wrap')).toMatchObject({ owner: 'a', waiters: 2 });
  expect(await adapter.forceRelease!('wrap')).toBe(true);
  expect(await adapter.inspect!('wrap')).toMatchObject({ owner: 'b', waiters: 1 });
  expect(await adapter.forceRelease!('wrap')).toBe(true);
  expect(await adapter.inspect!('wrap')).toMatchObject({ owner: 'c', waiters: 0 });
  expect(await adapter.forceRelease!('wrap')).toBe(true);
  // Ours gets a number above 0: those below 0 were there first.
  await raw.create('/locks/wrap/_c_d-lock--000000002');
  await raw.create('/locks/wrap/_c_e-lock--000000001');
  await using locks = createLocks(adapter);
  const waiting = locks.acquire('wrap');
  await until('it is queued', async () => (await locks.inspect('wrap'))?.waiters === 2);
  expect(await locks.inspect('wrap')).toMatchObject({ owner: 'd' });
  await raw.remove('/locks/wrap/_c_d-lock--000000002');
  expect(await locks.inspect('wrap')).toMatchObject({ owner: 'e', waiters: 1 });
  await raw.remove('/locks/wrap/_c_e-lock--000000001');
  await (await waiting).release();
});

it('4 processes with 8 waiters each: the order of the grants is the order of the queue', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-queue-'));
  const log = join(folder, 'grants');
  await using locks = createLocks(zookeeperAdapter({ servers: at }));
  const lock = await locks.acquire('fifo');
  const waiters = new URL('./support/waiters.ts', import.meta.url);
  const children = [0, 1, 2, 3].map((id) =>
    fork(waiters, [at, 'fifo', '8', log, String(id)], { execArgv: ['--import', 'tsx'] }),
  );
  try {
    const exits = children.map((child) => new Promise<number | null>((resolve) => child.once('exit', resolve)));
    let waiters: number | undefined;
    const queued = async (): Promise<boolean> => {
      expect(children.map(({ exitCode }) => exitCode)).toEqual([null, null, null, null]);
      waiters = (await locks.inspect('fifo'))?.waiters;
      return waiters === 32;
    };
    await until('all are queued', queued, 25_000).catch((error: Error) => {
      throw new Error(`${error.message}: ${waiters} of 32`);
    });
    await lock.release();
    expect(await Promise.all(exits)).toEqual([0, 0, 0, 0]);
    const grants = (await readFile(log, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => line.split(' '));
    expect(grants).toHaveLength(32);
    // The token is the number of the transaction that put the waiter in the queue.
    const tokens = grants.map(([token]) => BigInt(token as string));
    expect(tokens).toEqual([...tokens].sort((a, b) => (a < b ? -1 : 1)));
    for (const id of ['0', '1', '2', '3']) {
      const inProcess = grants.filter(([, process]) => process === id).map(([, , waiter]) => Number(waiter));
      expect(inProcess).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    }
  } finally {
    for (const child of children) child.kill('SIGKILL');
    await rm(folder, { recursive: true });
  }
});
