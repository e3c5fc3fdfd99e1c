import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { startRedis, startRedisCluster, startRedisNodes, startRedisSentinel } from '../src/index.ts';
import { eventually, folderOf, isRunning } from './processes.ts';

describe('startRedis', () => {
  it('starts a server, and stop leaves neither process nor folder', async () => {
    const server = await startRedis();
    expect(server.url).toBe(`redis://127.0.0.1:${server.port}`);
    expect(await server.command('SET', 'key', 'ü€')).toBe('OK');
    expect(await server.command('GET', 'key')).toBe('ü€');
    expect(await server.command('EVAL', 'return {1, {ARGV[1], false}}', 0, 'a b')).toEqual([1, ['a b', null]]);
    await expect(server.command('NONSENSE')).rejects.toThrow('unknown command');
    const [folder, pid] = [await folderOf(server), server.pid];
    expect([existsSync(folder), isRunning(pid)]).toEqual([true, true]);
    await Promise.all([server.stop(), server.stop()]);
    await server.stop();
    expect([existsSync(folder), isRunning(pid)]).toEqual([false, false]);
    expect(server.logs).toContain('Ready to accept connections');
    await expect(server.restart()).rejects.toThrow('was stopped');
  });

  it('kill and restart keep port and data; restart({ empty }) wipes the data; restart works on a running server', async () => {
    await using server = await startRedis();
    await server.command('SET', 'key', 'value');
    const { pid, port } = server;
    await server.kill();
    expect(isRunning(pid)).toBe(false);
    await expect(server.command('PING')).rejects.toThrow('ECONNREFUSED');
    expect(() => server.freeze()).toThrow('not running');
    await server.restart();
    expect(await server.command('GET', 'key')).toBe('value');
    await server.restart({ empty: true });
    expect(await server.command('GET', 'key')).toBe(null);
    expect(server.port).toBe(port);
    expect(server.pid).not.toBe(pid);
  });

  it('freeze leaves calls unanswered until thaw; a frozen server can be killed, restarted and stopped', async () => {
    const server = await startRedis();
    server.freeze();
    let answered = false;
    const answer = server.command('PING').finally(() => {
      answered = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(answered).toBe(false);
    server.thaw();
    expect(await answer).toBe('PONG');
    server.freeze();
    await server.restart();
    expect(await server.command('PING')).toBe('PONG');
    server.freeze();
    const { pid } = server;
    await server.stop();
    expect(isRunning(pid)).toBe(false);
  });

  it('knows passwords, and passes arguments on', async () => {
    await using server = await startRedis({ password: 'a b:@', args: ['--databases', '3'] });
    expect(server.url).toBe(`redis://:a%20b%3A%40@127.0.0.1:${server.port}`);
    expect(await server.command('CONFIG', 'GET', 'databases')).toEqual(['databases', '3']);
  });

  it('a server that dies at once: rejects with the tail of its log, and leaves nothing', async () => {
    await expect(startRedis({ args: ['--no-such-option', '1'] })).rejects.toThrow(
      /redis-server ended before it was ready[\s\S]*no-such-option/,
    );
  });
});

it('startRedisNodes: independent servers', async () => {
  await using group = await startRedisNodes(5);
  await group.nodes[0]!.command('SET', 'key', 'value');
  expect(await Promise.all(group.nodes.map((node) => node.command('GET', 'key')))).toEqual([
    'value',
    null,
    null,
    null,
    null,
  ]);
  const pids = group.nodes.map((node) => node.pid);
  await group.stop();
  expect(pids.filter(isRunning)).toEqual([]);
});

it('startRedisCluster: three masters serve all slots, also after one restarted empty', async () => {
  await using cluster = await startRedisCluster();
  const [first, second] = cluster.nodes;
  await second!.restart({ empty: true });
  for (const node of cluster.nodes) {
    const info = String(await node.command('CLUSTER', 'INFO'));
    expect(info).toContain('cluster_size:3');
    expect(info).toContain('cluster_slots_ok:16384');
  }
  await expect(first!.command('GET', 'foo')).rejects.toThrow(`MOVED 12182 127.0.0.1:${cluster.nodes[2]!.port}`);
});

it('startRedisSentinel: the sentinels replace a killed master', async () => {
  await using group = await startRedisSentinel();
  const { master, masterName, sentinels } = group;
  const addressOfMaster = (sentinel = sentinels[0]!): Promise<unknown> =>
    sentinel.command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', masterName);
  for (const sentinel of sentinels) expect(await addressOfMaster(sentinel)).toEqual([master.host, String(master.port)]);
  await master.command('SET', 'key', 'value');
  await master.kill();
  await eventually('a replica is promoted', async () => {
    const [, port] = (await addressOfMaster()) as string[];
    return Number(port) !== master.port;
  });
});
