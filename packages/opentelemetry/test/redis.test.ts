import { ioredisAdapter } from '@holdfast/adapter-ioredis';
import { createLocks } from '@holdfast/lock-core';
import { faultProxy, type RedisServer, startRedis } from '@holdfast/testbed';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { observe } from './support/observe.ts';

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server?.stop());

const eventually = (check: () => Promise<void>): Promise<void> => vi.waitFor(check, { timeout: 20_000, interval: 20 });

it('renewals, hand-overs and a loss on a real server', async () => {
  using observed = observe();
  const client = new Redis(server.url);
  await using locks = createLocks(ioredisAdapter(client, { prefix: 'seen:' }), { ttlMs: 900 });
  const on = (outcome: string) => ({ 'holdfast.adapter': 'ioredis', 'holdfast.outcome': outcome });

  const first = await locks.acquire('k');
  const second = locks.acquire('k');
  await eventually(async () => {
    expect(await observed.total('holdfast.lock.renewals', on('renewed'))).toBeGreaterThan(0);
  });
  await first.release();
  const lock = await second;
  await server.command('DEL', 'seen:k');
  await eventually(async () => expect(lock.state).toBe('lost'));
  expect(await observed.total('holdfast.lock.lost', { 'holdfast.adapter': 'ioredis' })).toBe(1);
  expect(await observed.total('holdfast.lock.hold.duration', on('lost'))).toBe(1);
  expect(await observed.total('holdfast.lock.hold.duration')).toBe(2);
  const holds = observed.spans('holdfast hold');
  expect(holds).toHaveLength(2);
  expect(holds.at(-1)?.attributes['error.type']).toBe('LOCK_LOST');
  client.disconnect();
});

it('an acquire whose reply was lost is an error, and then reaped', async () => {
  using observed = observe();
  await using proxy = await faultProxy({ host: '127.0.0.1', port: server.port });
  const client = new Redis({ port: proxy.port, host: '127.0.0.1', maxRetriesPerRequest: null });
  client.on('error', () => {});
  await using locks = createLocks(ioredisAdapter(client, { prefix: 'reaped:' }), {
    // The clean-up goes on for as long as what the client sent twice may hold the key.
    ttlMs: 2_000,
    attemptTimeoutMs: 200,
    backendTimeoutMs: 600,
  });
  await (await locks.acquire('warm')).release();
  proxy.blackHole('to-client');
  const error = await locks.acquire('k').catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'LOCK_BACKEND' });
  await proxy.heal();
  await eventually(async () => expect(await observed.total('holdfast.lock.reaped')).toBeGreaterThan(0));
  const failed = { 'holdfast.outcome': 'error', 'error.type': 'LOCK_BACKEND' };
  expect(await observed.total('holdfast.lock.acquisitions', failed)).toBe(1);
  await eventually(async () => expect(await server.command('EXISTS', 'reaped:k')).toBe(0));
  client.disconnect();
});
