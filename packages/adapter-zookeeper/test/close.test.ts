import { fork } from 'node:child_process';
import { createLocks } from '@holdfast/lock-core';
import { faultProxy } from '@holdfast/testbed';
import { expect, it } from 'vitest';
import { zookeeperAdapter } from '../src/index.ts';
import { until } from './support/clients.ts';
import { useServer } from './support/server.ts';

const zookeeper = useServer();

it('close ends the session at once, with what it held', async () => {
  const adapter = zookeeperAdapter({ servers: zookeeper.at });
  const signal = new AbortController().signal;
  await adapter.tryAcquire({ key: 'closing', owner: 'a'.repeat(32), ttlMs: 30_000, tokens: 1, signal });
  expect(await zookeeper.raw.children('/locks/closing')).toHaveLength(1);
  await Promise.all([adapter.close!(), adapter.close!()]);
  expect(await zookeeper.raw.children('/locks/closing')).toEqual([]);
  await adapter.close!();
  await zookeeperAdapter({ servers: zookeeper.at }).close!();
});

for (const fault of ['mute', 'refusing'] as const) {
  it(`close ends soon when the server is ${fault}, with a lock held, one waited for and calls open`, async () => {
    await using proxy = await faultProxy(zookeeper.server);
    // The one that waits has a place of its own.
    const locks = createLocks(zookeeperAdapter({ servers: `${proxy.host}:${proxy.port}` }), { localRun: { count: 0 } });
    await locks.acquire(`held-${fault}`);
    const waiting = locks.acquire(`held-${fault}`);
    const refused = expect(waiting).rejects.toMatchObject({ code: 'LOCK_CLOSED' });
    await until('it is queued', async () => (await locks.inspect(`held-${fault}`))?.waiters === 1);
    if (fault === 'mute') proxy.blackHole();
    else proxy.refuse();
    const begin = performance.now();
    await locks.close();
    await refused;
    expect(performance.now() - begin).toBeLessThan(10_000);
    // The proxy keeps from both sides that a connection has ended until it heals.
    await proxy.heal();
    await until('no connection is left', () => proxy.connections === 0);
  });
}

for (const when of ['connected', 'connecting', 'down', 'frozen', 'in the turn of its first call'] as const) {
  it(`H55: a process ends by itself after close (${when})`, async () => {
    await using proxy = await faultProxy(zookeeper.server);
    const target = `${proxy.host}:${proxy.port}`;
    if (when === 'connecting') proxy.blackHole();
    if (when === 'down') proxy.refuse();
    const file = new URL('./support/closes.ts', import.meta.url);
    const child = fork(file, [target, when], { execArgv: ['--import', 'tsx'] });
    try {
      const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
      child.on('message', (message) => {
        if (message === 'holding' && when === 'frozen') proxy.blackHole();
        child.send('close');
      });
      let code: number | null | undefined;
      void exit.then((value) => {
        code = value;
      });
      await until('it exits', () => code !== undefined, 25_000);
      expect(code).toBe(0);
    } finally {
      child.kill('SIGKILL');
    }
  });
}
