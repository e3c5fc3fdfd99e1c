import { createLocks } from '@holdfast/lock-core';
import { expect, it } from 'vitest';
import { zookeeperAdapter } from '../src/index.ts';
import { until } from './support/clients.ts';
import { useServer } from './support/server.ts';

const sessionTimeoutMs = 2_000;
const zookeeper = useServer();

it('H74, H76: a server that comes back without its data refuses the old session for ever; a new one is begun', async () => {
  await using locks = createLocks(zookeeperAdapter({ servers: zookeeper.at, sessionTimeoutMs }));
  // Some writes, so that the session has seen more than the new server will have.
  for (let i = 0; i < 5; i += 1) await locks.using('before', () => {});
  const held = await locks.acquire('held');
  await zookeeper.server.kill();
  await zookeeper.server.restart({ empty: true });
  await until('locks are had again', async () => {
    const lock = await locks.tryAcquire('after').catch(() => undefined);
    await lock?.release();
    return lock !== undefined;
  });
  expect(held.state).toBe('lost');
});
