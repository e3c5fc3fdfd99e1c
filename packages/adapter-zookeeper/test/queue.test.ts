import { fork } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLocks } from '@holdfast/lock-core';
import { expect, it } from 'vitest';
import { createClient } from '../src/client.ts';
import { fencingToken } from '../src/fencing.ts';
import { type ClientFactory, zookeeperAdapter } from '../src/index.ts';
import { inOrder } from '../src/names.ts';
import { attempt } from './support/attempt.ts';
import { until } from './support/clients.ts';
import { useServer } from './support/server.ts';

const zookeeper = useServer();

/** Every waiter has a place of its own, and nothing is handed over inside a process. */
const everyOneQueues = { localRun: { count: 0 } };

/** The number of the newest transaction of the server. */
const newestTransaction = async (): Promise<bigint> =>
  BigInt(/Zxid: (0x[0-9a-f]+)/i.exec(await zookeeper.server.fourLetter('srvr'))?.[1] ?? 'unknown');

const watchesOnServer = async (): Promise<number> =>
  Number(/Total watches:(\d+)/.exec(await zookeeper.server.fourLetter('wchs'))?.[1] ?? 0);

it('H39, H71: with 50 waiters of a process a hand-over is one watch event, and no look at the queue', async () => {
  let events = 0;
  let looks = 0;
  const clientFactory: ClientFactory = (address, options) => {
    const client = createClient(address, options);
    const { getData, getChildren } = client;
    client.getData = (path, watcher, done) => {
      const counted = (): void => {
        events += 1;
        watcher?.();
      };
      getData.call(client, path, counted, done);
    };
    client.getChildren = (path, done) => {
      looks += 1;
      getChildren.call(client, path, done);
    };
    return client;
  };
  await using locks = createLocks(zookeeperAdapter({ servers: zookeeper.at, clientFactory }), everyOneQueues);
  const lock = await locks.acquire('herd');
  const waits = Array.from({ length: 50 }, () => locks.using('herd', () => {}));
  await until('all are queued', async () => (await zookeeper.raw.children('/locks/herd')).length === 51);
  await until('all watch', async () => (await watchesOnServer()) === 50);
  [events, looks] = [0, 0];
  await lock.release();
  await Promise.all(waits);
  // The last has nobody behind it whose watch would tell that its node has gone.
  expect({ events, looks }).toEqual({ events: 50, looks: 1 });
  expect(await watchesOnServer()).toBe(0);
});

it('H42, H43: 200 waiters that gave up leave no node, and not more than one watch per node', async () => {
  const [one, two] = [zookeeperAdapter({ servers: zookeeper.at }), zookeeperAdapter({ servers: zookeeper.at })].map(
    (adapter) => createLocks(adapter, everyOneQueues),
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
    await until('the patient are queued', async () => (await zookeeper.raw.children('/locks/given-up')).length > 20);
    abort.abort();
    expect((await settled).every(({ status }) => status === 'rejected')).toBe(true);
    await until('their nodes are gone', async () => (await zookeeper.raw.children('/locks/given-up')).length === 1);
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
    createLocks(zookeeperAdapter({ servers: zookeeper.at }), everyOneQueues),
    createLocks(zookeeperAdapter({ servers: zookeeper.at, clientFactory }), everyOneQueues),
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

it('H71, H73: the connection ends right behind the answer to a watch: the waiter is served all the same', async () => {
  let watched = 0;
  const clientFactory: ClientFactory = (address, options) => {
    const client = createClient(address, options);
    const { getData } = client;
    client.getData = (path, watcher, done) =>
      getData.call(client, path, watcher, (error, data) => {
        done(error, data);
        watched += 1;
        // As the library does when its socket has closed. Another watch is there already.
        if (watched === 2) client.connectionManager.connect();
      });
    return client;
  };
  await using holder = createLocks(zookeeperAdapter({ servers: zookeeper.at }), everyOneQueues);
  await using waiter = createLocks(zookeeperAdapter({ servers: zookeeper.at, clientFactory }), everyOneQueues);
  for (const key of ['cut-before', 'cut-behind']) await holder.acquire(key);
  const before = waiter.acquire('cut-before');
  await until('one watches', () => watched === 1);
  const behind = waiter.acquire('cut-behind');
  await until('both watch again', () => watched === 4);
  await holder.close();
  await (await before).release();
  await (await behind).release();
});

for (const followed of [true, false]) {
  const how = followed ? 'with another one behind it' : 'as the last in the queue';
  it(`H43: a waiter whose node was removed by hand, ${how}: it is not handed the lock, and queues anew`, async () => {
    const key = `removed-${followed}`;
    await using locks = createLocks(zookeeperAdapter({ servers: zookeeper.at }), everyOneQueues);
    const lock = await locks.acquire(key);
    const removed = locks.acquire(key);
    await until('it is queued', async () => (await locks.inspect(key))?.waiters === 1);
    const other = followed ? locks.acquire(key) : undefined;
    await until('all are queued', async () => (await locks.inspect(key))?.waiters === (followed ? 2 : 1));
    await until('all watch', async () => (await watchesOnServer()) === (followed ? 2 : 1));
    const node = inOrder(await zookeeper.raw.children(`/locks/${key}`))![1]!;
    await zookeeper.raw.remove(`/locks/${key}/${node}`);
    const newest = fencingToken(await newestTransaction());
    await lock.release();
    await (await other)?.release();
    const late = await removed;
    // Its place is younger than the removal of its first one.
    expect(late.fencingToken).toBeGreaterThan(newest);
    await late.release();
  });
}

it('an `enqueue` keeps its place while its owner asks for the lock, also when it has just looked', async () => {
  let hold: ((look: () => void) => void) | undefined;
  const clientFactory: ClientFactory = (address, options) => {
    const client = createClient(address, options);
    const { getChildren } = client;
    client.getChildren = (path, done) => {
      const look = (): void => getChildren.call(client, path, done);
      if (hold === undefined) look();
      else hold(look);
    };
    return client;
  };
  const [holder, waiter] = [
    zookeeperAdapter({ servers: zookeeper.at }),
    zookeeperAdapter({ servers: zookeeper.at, clientFactory }),
  ];
  const [first, second] = [attempt('asked'), attempt('asked')];
  await holder.tryAcquire(first);
  const waiting = waiter.enqueue!(second, second.signal);
  await until('it is queued', async () => (await holder.inspect!('asked'))?.waiters === 1);
  await until('it watches', async () => (await watchesOnServer()) === 1);
  const [ahead] = inOrder(await zookeeper.raw.children('/locks/asked'))!;
  const looking = new Promise<() => void>((resolve) => {
    hold = (look) => {
      hold = undefined;
      resolve(look);
    };
  });
  await zookeeper.raw.touch(`/locks/asked/${ahead}`);
  const look = await looking;
  expect(await waiter.tryAcquire(second)).toMatchObject({ status: 'busy' });
  look();
  await holder.release(first);
  expect(await waiting).toMatchObject({ status: 'granted' });
  expect(await waiter.release(second)).toBe('released');
  await Promise.all([holder.close!(), waiter.close!()]);
});

it('H72: sequence numbers that have wrapped around keep their order', async () => {
  const adapter = zookeeperAdapter({ servers: zookeeper.at });
  await zookeeper.raw.create('/locks/wrap');
  await zookeeper.raw.create('/locks/wrap/_c_b-lock--2147483648');
  await zookeeper.raw.create('/locks/wrap/_c_a-lock-2147483647');
  await zookeeper.raw.create('/locks/wrap/_c_c-lock--2147483647');
  expect(await adapter.inspect!('wrap')).toMatchObject({ owner: 'a', waiters: 2 });
  expect(await adapter.forceRelease!('wrap')).toBe(true);
  expect(await adapter.inspect!('wrap')).toMatchObject({ owner: 'b', waiters: 1 });
  expect(await adapter.forceRelease!('wrap')).toBe(true);
  expect(await adapter.inspect!('wrap')).toMatchObject({ owner: 'c', waiters: 0 });
  expect(await adapter.forceRelease!('wrap')).toBe(true);
  // Ours gets a number above 0: those below 0 were there first.
  await zookeeper.raw.create('/locks/wrap/_c_d-lock--000000002');
  await zookeeper.raw.create('/locks/wrap/_c_e-lock--000000001');
  await using locks = createLocks(adapter, everyOneQueues);
  const waiting = locks.acquire('wrap');
  await until('it is queued', async () => (await locks.inspect('wrap'))?.waiters === 2);
  expect(await locks.inspect('wrap')).toMatchObject({ owner: 'd' });
  await zookeeper.raw.remove('/locks/wrap/_c_d-lock--000000002');
  expect(await locks.inspect('wrap')).toMatchObject({ owner: 'e', waiters: 1 });
  await zookeeper.raw.remove('/locks/wrap/_c_e-lock--000000001');
  await (await waiting).release();
});

it('4 processes with 8 waiters each: the order of the grants is the order of the queue', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-queue-'));
  const log = join(folder, 'grants');
  await using locks = createLocks(zookeeperAdapter({ servers: zookeeper.at }), everyOneQueues);
  const lock = await locks.acquire('fifo');
  const waiters = new URL('./support/waiters.ts', import.meta.url);
  const children = [0, 1, 2, 3].map((id) =>
    fork(waiters, [zookeeper.at, 'fifo', '8', log, String(id)], { execArgv: ['--import', 'tsx'] }),
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

it('a waiter ends when its own node is removed, also while it looks at what is in its way', async () => {
  let onList: (() => void) | undefined;
  const clientFactory: ClientFactory = (address, options) => {
    const client = createClient(address, options);
    const { getChildren } = client;
    client.getChildren = (path, done) => {
      getChildren.call(client, path, done);
      onList?.();
      onList = undefined;
    };
    return client;
  };
  const adapter = zookeeperAdapter({ servers: zookeeper.at, clientFactory });
  const holder = attempt('removed');
  await adapter.tryAcquire(holder);
  const ahead = await zookeeper.raw.create('/locks/removed/other-program-', 3);
  await adapter.release(holder);
  const waiter = attempt('removed');
  const waiting = adapter.enqueue!(waiter, new AbortController().signal);
  await until('it watches', async () => (await watchesOnServer()) === 1);
  // Sent right behind the list, the removal is answered before anything that is asked because of the list.
  onList = () => void adapter.release(waiter);
  await zookeeper.raw.touch(ahead);
  await expect(waiting).rejects.toThrow('its node has been removed');
  await adapter.close!();
  await zookeeper.raw.remove(ahead);
});
