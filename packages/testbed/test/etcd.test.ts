import { once } from 'node:events';
import { connect } from 'node:tls';
import { expect, it } from 'vitest';
import { enableEtcdUsers, type ServerProcess, startEtcd, startEtcdCluster, startEtcdGrpcProxy } from '../src/index.ts';
import { eventually, isRunning } from './processes.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

async function call(server: ServerProcess, path: string, body: object): Promise<{ kvs?: unknown[] }> {
  const response = await fetch(`http://${server.host}:${server.port}/v3/kv/${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(1000),
  });
  return (await response.json()) as { kvs?: unknown[] };
}
const put = (server: ServerProcess): Promise<object> =>
  call(server, 'put', { key: base64('key'), value: base64('value') });
const count = async (server: ServerProcess): Promise<number> =>
  (await call(server, 'range', { key: base64('key') })).kvs?.length ?? 0;

it('startEtcd: freeze, thaw, kill, restart, stop', { timeout: 60_000 }, async () => {
  const server = await startEtcd();
  expect(server.url).toBe(`etcd://127.0.0.1:${server.port}`);
  await put(server);
  server.freeze();
  await expect(count(server)).rejects.toThrow('timeout');
  server.thaw();
  await eventually('it answers again', async () => (await count(server).catch(() => 0)) === 1);
  await server.kill();
  await server.restart();
  expect(await count(server)).toBe(1);
  await server.restart({ empty: true });
  expect(await count(server)).toBe(0);
  server.freeze();
  const { pid } = server;
  await server.stop();
  expect(isRunning(pid)).toBe(false);
});

it('startEtcdCluster: another member leads when the leader is killed, and the killed one comes back', {
  timeout: 60_000,
}, async () => {
  await using cluster = await startEtcdCluster();
  const leader = await cluster.leader();
  await put(leader);
  await leader.kill();
  const next = await cluster.leader();
  expect(next.port).not.toBe(leader.port);
  expect(await count(next)).toBe(1);
  await expect(leader.restart({ empty: true })).rejects.toThrow('cannot restart empty');
  await leader.restart();
  expect(await count(leader)).toBe(1);
});

it('startEtcd({ tls }): clients that trust its certificate get through, others do not', async () => {
  await using server = await startEtcd({ tls: true });
  const { host, port, certificate } = server;
  const authorized = async (ca: string | undefined): Promise<boolean> => {
    const socket = connect({ host, port, ca, rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    socket.destroy();
    return socket.authorized;
  };
  expect(await authorized(certificate)).toBe(true);
  expect(await authorized(undefined)).toBe(false);
  await server.restart();
  expect(await authorized(certificate)).toBe(true);
});

it('startEtcdGrpcProxy: is healthy for as long as the etcd behind it', { timeout: 60_000 }, async () => {
  await using server = await startEtcd();
  await using proxy = await startEtcdGrpcProxy(server);
  const health = async (): Promise<unknown> => (await fetch(`http://${proxy.host}:${proxy.port}/health`)).json();
  expect(await health()).toMatchObject({ health: 'true' });
  await server.kill();
  expect(await health()).toMatchObject({ health: 'false' });
});

it.each(['simple', 'jwt'] as const)(
  'enableEtcdUsers with %s tokens: only users get in',
  { timeout: 60_000 },
  async (authToken) => {
    await using server = await startEtcd({ authToken });
    const users = await enableEtcdUsers(server);
    await expect(count(server)).resolves.toBe(0);
    expect(await users.call('kv/put', { key: base64('key'), value: base64('value') })).toHaveProperty('header');
    expect((await users.call('kv/range', { key: base64('key') })).count).toBe('1');
    expect(await users.call('auth/user/list')).toMatchObject({ users: ['app', 'root'] });
  },
);
