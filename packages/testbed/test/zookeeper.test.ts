import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { startZookeeper, startZookeeperEnsemble } from '../src/index.ts';
import { threadStates } from '../src/process-frozen.ts';
import { eventually, isRunning } from './processes.ts';

it('startZookeeper: freeze, thaw, kill, restart, stop', { timeout: 60_000 }, async () => {
  const server = await startZookeeper({ minSessionTimeoutMs: 700 });
  expect(server.url).toBe(`zookeeper://127.0.0.1:${server.port}`);
  expect(await server.fourLetter('ruok')).toBe('imok');
  const conf = await server.fourLetter('conf');
  expect(conf).toContain('minSessionTimeout=700');
  const data = /dataDir=(.*)/.exec(conf)![1]!;
  server.freeze();
  await expect(server.fourLetter('ruok')).rejects.toThrow('did not answer ruok');
  server.thaw();
  await eventually('it answers again', async () => (await server.fourLetter('ruok')) === 'imok');
  await server.kill();
  await expect(server.fourLetter('ruok')).rejects.toThrow('ECONNREFUSED');
  await server.restart();
  await server.restart({ empty: true });
  expect(await server.fourLetter('srvr')).toMatch(/Zxid: 0x0\n/);
  server.freeze();
  const { pid } = server;
  await server.stop();
  expect([isRunning(pid), existsSync(data)]).toEqual([false, false]);
});

it('freeze is in force when it returns, although the server has many threads', { timeout: 60_000 }, async () => {
  await using server = await startZookeeper();
  for (let round = 0; round < 100; round++) {
    await sleep(round % 7);
    server.freeze();
    expect(threadStates(server.pid).filter((state) => state !== 'T')).toEqual([]);
    server.thaw();
  }
  expect(await server.fourLetter('ruok')).toBe('imok');
});

it('startZookeeperEnsemble: another server leads when the leader is killed', { timeout: 60_000 }, async () => {
  await using ensemble = await startZookeeperEnsemble();
  expect(ensemble.connectionString.split(',')).toEqual(ensemble.servers.map(({ port }) => `127.0.0.1:${port}`));
  const leader = await ensemble.leader();
  await leader.kill();
  const next = await ensemble.leader();
  expect(next.port).not.toBe(leader.port);
  await leader.restart({ empty: true });
  expect(await leader.fourLetter('srvr')).toContain('Mode: follower');
});
