import * as net from 'node:net';
import { createLocks, type Granted } from '@holdfast/lock-core';
import { type EtcdServer, faultProxy, startEtcd } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { adapterOf, attemptFor, clientOf, detour, eventually, newName, waitIn } from './support/etcd.ts';

let server: EtcdServer;
beforeAll(async () => {
  server = await startEtcd();
});
afterAll(() => server.stop());

describe('calls about one owner that overlap', () => {
  it('(H113) a renewal during which the hold is moved to a longer lease does not lose it, nor move it back', async () => {
    const proxy = await faultProxy(server);
    onTestFinished(() => proxy.close());
    const late = clientOf(proxy);
    await late.get('connected').string();
    const client = detour(clientOf(server), 'leaseClient', 'leaseKeepAlive', late);
    const adapter = adapterOf(server, { client, callTimeoutMs: 4_000 });
    const attempt = attemptFor(newName(), { ttlMs: 2_000 });
    await adapter.tryAcquire(attempt);
    // Old enough for the renewal to need a keep-alive, which is held up.
    await new Promise((resolve) => setTimeout(resolve, 1_300));
    proxy.hold('to-server');
    const extending = adapter.renew(attempt, 2_000);
    expect((await adapter.renew(attempt, 60_000)).status).toBe('renewed');
    await proxy.heal();
    const extended = await extending;
    expect(extended.status).toBe('renewed');
    expect((await adapter.inspect!(attempt.key))?.remainingMs).toBeGreaterThan(50_000);
  });

  it('calls of one owner at once never promise more than a TTL each', async () => {
    const adapter = adapterOf(server);
    const attempt = attemptFor(newName(), { ttlMs: 30_000 });
    const grants = (await Promise.all(Array.from({ length: 20 }, () => adapter.tryAcquire(attempt)))) as Granted[];
    for (const { validForMs } of grants) expect(validForMs).toBeLessThan(30_000.001);
  });

  it('(H113) a waiter that asks again with another TTL keeps its place', async () => {
    const adapter = adapterOf(server);
    const holder = attemptFor(newName());
    await adapter.tryAcquire(holder);
    const { waiting, owner } = await waitIn(adapter, holder.key, { ttlMs: 5_000 });
    const superseded = waiting.catch(() => 'superseded');
    const behind = await waitIn(adapter, holder.key);
    const again = await new Promise<{ waiting: Promise<Granted> }>((resolve, reject) => {
      const attempt = attemptFor(holder.key, { owner, ttlMs: 40_000, onQueued: () => resolve({ waiting: granted }) });
      const granted = adapter.enqueue!(attempt, attempt.signal);
      granted.catch(reject);
    });
    await adapter.release(holder);
    const grant = await again.waiting;
    expect(grant.validForMs).toBeGreaterThan(30_000);
    await superseded;
    expect(await adapter.release({ key: holder.key, owner })).toBe('released');
    expect((await behind.waiting).fencingToken).toBeGreaterThan(grant.fencingToken!);
  });
});

describe('an outage', () => {
  it('(H116) a request that could not be sent says so', async () => {
    const attempt = attemptFor(newName());
    const adapter = adapterOf({ host: '127.0.0.1', port: 1 });
    await expect(adapter.tryAcquire(attempt)).rejects.toMatchObject({ retryable: true, notSent: true });
    await expect(adapter.enqueue!(attempt, attempt.signal)).rejects.toMatchObject({ retryable: true, notSent: true });
  });

  it('(H130) a load balancer that answers 503 meanwhile neither ends a hold nor refuses a request', async () => {
    let down = false;
    const sockets = new Set<net.Socket>();
    const balancer = net.createServer((socket) => {
      sockets.add(socket.on('error', () => {}));
      if (down) return void socket.once('data', () => socket.end('HTTP/1.1 503 Service Unavailable\r\n\r\n'));
      const upstream = net.connect(server.port, server.host).on('error', () => {});
      socket.pipe(upstream).pipe(socket);
      socket.on('close', () => upstream.destroy());
    });
    await new Promise<void>((resolve) => balancer.listen(0, '127.0.0.1', resolve));
    const cut = (): void => sockets.forEach((socket) => void socket.destroy());
    onTestFinished(() => {
      cut();
      balancer.close();
    });
    const { port } = balancer.address() as net.AddressInfo;
    const locks = createLocks(adapterOf({ host: '127.0.0.1', port }));
    const lock = await locks.acquire(newName(), { ttlMs: 12_000 });
    down = true;
    cut();
    await eventually('renewals fail', () =>
      locks.tryAcquire(newName()).then(
        () => false,
        (error) => error.retryable,
      ),
    );
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    expect(lock.state).toBe('held');
    down = false;
    await eventually('a renewal', () =>
      lock.renew(12_000).then(
        () => true,
        () => false,
      ),
    );
    expect(await lock.release()).toBe('released');
  }, 40_000);
});
