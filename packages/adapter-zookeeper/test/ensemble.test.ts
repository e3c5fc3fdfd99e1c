import { createLocks } from '@holdfast/lock-core';
import { startZookeeperEnsemble, type ZookeeperEnsemble } from '@holdfast/testbed';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { zookeeperAdapter } from '../src/index.ts';
import { attempt } from './support/attempt.ts';
import { rawClient, until } from './support/clients.ts';

let ensemble: ZookeeperEnsemble;

beforeAll(async () => {
  ensemble = await startZookeeperEnsemble(3);
});

afterAll(async () => {
  await ensemble?.stop();
});

it('the leader is killed while locks are held and waited for: none is lost, and the waiters are served', async () => {
  const sessionTimeoutMs = 20_000;
  // Every waiter has a place of its own.
  const open = () =>
    createLocks(zookeeperAdapter({ servers: ensemble.connectionString, sessionTimeoutMs }), { localRun: { count: 0 } });
  // Each picks a server by chance.
  const clients = Array.from({ length: 4 }, open);
  const held = await Promise.all(Array.from({ length: 20 }, (_, i) => clients[i % 4]!.acquire(`held-${i}`)));
  const busy = await clients[0]!.acquire('busy');
  const tokens: bigint[] = [];
  const waits = Array.from({ length: 10 }, (_, i) =>
    clients[i % 4]!.using('busy', (lock) => void tokens.push(lock.fencingToken as bigint)),
  );
  await until('all are queued', async () => (await clients[0]!.inspect('busy'))?.waiters === 10);
  const leader = await ensemble.leader();
  await leader.kill();
  const killedAt = performance.now();
  for (const lock of held) await lock.renew();
  expect(held.map(({ state }) => state)).toEqual(held.map(() => 'held'));
  expect(await busy.release()).toBe('released');
  await Promise.all(waits);
  expect(tokens).toHaveLength(10);
  expect([busy.fencingToken, ...tokens]).toEqual([busy.fencingToken, ...tokens].sort((a, b) => (a! < b! ? -1 : 1)));
  expect(performance.now() - killedAt).toBeLessThan(sessionTimeoutMs);
  expect(await Promise.all(held.map((lock) => lock.release()))).toEqual(held.map(() => 'released'));
  await leader.restart();
  await Promise.all(clients.map((locks) => locks.close()));
});

it('H66, H74: a follower cut off from the leader answers reads, and the loss is signalled all the same', async () => {
  const sessionTimeoutMs = 2_000;
  const leader = await ensemble.leader();
  const follower = ensemble.servers.find((server) => server !== leader)!;
  const others = ensemble.servers.filter((server) => server !== follower);
  await using locks = createLocks(zookeeperAdapter({ servers: `127.0.0.1:${follower.port}`, sessionTimeoutMs }));
  await using raw = await rawClient(`127.0.0.1:${follower.port}`);
  const lock = await locks.acquire('cut-off');
  const [child] = await raw.children('/locks/cut-off');
  await lock.renew();
  const frozenAt = performance.now();
  for (const server of others) server.freeze();
  let [answeredAt, heldAt] = [0, 0];
  try {
    await until('the loss', async () => {
      // For a while it goes on answering what it knows, whatever the leader has decided meanwhile.
      const answer = await Promise.race([raw.ownerOf(`/locks/cut-off/${child}`).catch(() => undefined), pause(50)]);
      if (answer !== undefined) answeredAt = performance.now();
      const now = performance.now();
      if (lock.remainingMs > 0) heldAt = now;
      return lock.signal.aborted;
    });
  } finally {
    for (const server of others) server.thaw();
  }
  // The leader cannot have confirmed the session after this moment.
  expect(heldAt - frozenAt).toBeLessThan(sessionTimeoutMs);
  expect(answeredAt).toBeGreaterThan(frozenAt);
  await (await locks.acquire('cut-off')).release();
});

it('a renewal through a follower that lags behind is never `renewed` once the next owner was granted (H74)', async () => {
  const leader = await ensemble.leader();
  const follower = ensemble.servers.find((server) => server !== leader)!;
  const open = ({ port }: { port: number }) =>
    zookeeperAdapter({ servers: `127.0.0.1:${port}`, sessionTimeoutMs: 15_000 });
  const [ours, theirs] = [open(follower), open(leader)];
  await Promise.all([ours.inspect!('lagging'), theirs.inspect!('lagging')]);
  for (let round = 0; round < 5; round += 1) {
    const [first, second] = [attempt(`lagging-${round}`), attempt(`lagging-${round}`)];
    expect(await ours.tryAcquire(first)).toMatchObject({ status: 'granted' });
    follower.freeze();
    try {
      await theirs.forceRelease!(first.key);
      expect(await theirs.tryAcquire(second)).toMatchObject({ status: 'granted' });
    } finally {
      setTimeout(() => follower.thaw(), 200);
    }
    // Alone and in a batch; an owner that asks for the lock again is a stranger by now.
    const answers = await Promise.allSettled([ours.renew(first, 10_000), ours.renewMany!([first, first], 10_000)]);
    expect(JSON.stringify(answers)).not.toContain('renewed');
    expect(await ours.tryAcquire(first).catch(() => 'unknown')).not.toMatchObject({ status: 'granted' });
    expect(await theirs.renew(second, 10_000)).toMatchObject({ status: 'renewed' });
    await theirs.release(second);
    await ours.release(first).catch(() => {});
  }
  await Promise.all([ours.close!(), theirs.close!()]);
});

const pause = (ms: number): Promise<undefined> => new Promise((resolve) => setTimeout(resolve, ms, undefined));
