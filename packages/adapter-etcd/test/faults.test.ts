import { setTimeout as sleep } from 'node:timers/promises';
import { createLocks, type Lock } from '@holdfast/lock-core';
import { type EtcdServer, type FaultProxy, faultProxy, startEtcd } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { adapterOf, attemptFor, clientOf, detour, eventually, newName, placesOf, waitIn } from './support/etcd.ts';

let server: EtcdServer;
beforeAll(async () => {
  server = await startEtcd();
});
afterAll(() => server.stop());

async function proxied(): Promise<FaultProxy> {
  const proxy = await faultProxy(server);
  onTestFinished(() => proxy.close());
  return proxy;
}

/** When the hold was lost, in monotonic ms. */
const lossOf = (lock: Lock): Promise<number> =>
  new Promise((resolve) => {
    lock.signal.addEventListener('abort', () => resolve(performance.now()));
  });

describe('a server that stops answering', () => {
  it('H45, H46, H78: frozen for longer than the TTL: the loss is told before the key is gone; the next token is higher', async () => {
    const frozen = await startEtcd();
    onTestFinished(() => frozen.stop());
    const locks = createLocks(adapterOf(frozen), { backendTimeoutMs: 3_000 });
    const lock = await locks.acquire('k', { ttlMs: 2_000 });
    const loss = lossOf(lock);
    await sleep(300);
    frozen.freeze();
    const frozenAt = performance.now();
    // The last request that was answered went out before; etcd's own client would tell at twice the TTL.
    expect((await loss) - frozenAt).toBeLessThan(2_000);
    expect(await lock.release()).toBe('lost');
    frozen.thaw();
    const next = await createLocks(adapterOf(frozen)).acquire('k');
    expect(next.fencingToken).toBeGreaterThan(lock.fencingToken!);
  });

  it('H79: only the keep-alives are frozen: the hold is lost before its lease ends, and nobody gets in before that', async () => {
    const proxy = await proxied();
    const client = detour(clientOf(server), 'leaseClient', 'leaseKeepAlive', clientOf(proxy));
    const [one, two] = [createLocks(adapterOf(server, { client })), createLocks(adapterOf(server))];
    const name = newName();
    const lock = await one.acquire(name, { ttlMs: 2_000 });
    const loss = lossOf(lock);
    const next = two.acquire(name).then((granted) => ({ granted, at: performance.now() }));
    await sleep(300);
    proxy.blackHole();
    const frozenAt = performance.now();
    const lostAt = await loss;
    // A lease of 3 s for a TTL of 2 s: as long as it is good, looks at the key suffice for a renewal.
    expect(lostAt - frozenAt).toBeLessThan(3_000);
    const { granted, at } = await next;
    expect(at).toBeGreaterThan(lostAt);
    expect(granted.fencingToken).toBeGreaterThan(lock.fencingToken!);
  });

  it('H37, H38: only the watch is frozen: the waiter is served all the same', async () => {
    const proxy = await proxied();
    const client = detour(clientOf(server), 'watchClient', 'watch', clientOf(proxy));
    const [one, two] = [adapterOf(server), adapterOf(server, { client })];
    const hold = attemptFor(newName());
    await one.tryAcquire(hold);
    const { waiting } = await waitIn(two, hold.key);
    proxy.blackHole();
    await one.release(hold);
    expect((await waiting).status).toBe('granted');
  });

  it('a server that is mute from the start: enqueue rejects well within 10 s, close ends', async () => {
    const proxy = await proxied();
    proxy.blackHole();
    const adapter = adapterOf(proxy);
    const startedAt = performance.now();
    const waiter = attemptFor(newName());
    await expect(adapter.enqueue!(waiter, waiter.signal)).rejects.toThrow();
    expect(performance.now() - startedAt).toBeLessThan(8_000);
    const closingAt = performance.now();
    await adapter.close!();
    expect(performance.now() - closingAt).toBeLessThan(4_000);
  });

  it('frozen while somebody waits: enqueue rejects well within 10 s, and its place is cleaned up', async () => {
    const frozen = await startEtcd();
    onTestFinished(() => frozen.stop());
    const adapter = adapterOf(frozen);
    const hold = attemptFor('k');
    await adapter.tryAcquire(hold);
    const { waiting } = await waitIn(adapter, 'k');
    frozen.freeze();
    const frozenAt = performance.now();
    await expect(waiting).rejects.toThrow();
    expect(performance.now() - frozenAt).toBeLessThan(9_500);
    frozen.thaw();
    const raw = clientOf(frozen);
    await eventually('only the holder has a key', async () => {
      return (await placesOf(raw, 'k')).length === 1;
    });
  });
});

describe('lost replies', () => {
  const about = (name: string) => (request: Buffer) => request.includes(`locks/${name}/`);

  it('H12, H80: the reply to tryAcquire is lost: the same owner asks again and has it, once', async () => {
    const proxy = await proxied();
    const locks = createLocks(adapterOf(proxy));
    await (await locks.acquire(newName())).release();
    const name = newName();
    const swallowed = proxy.swallowReplies({ match: about(name), thenCut: true });
    const lock = await locks.tryAcquire(name);
    await swallowed;
    expect(lock?.state).toBe('held');
    expect(await placesOf(clientOf(server), name)).toHaveLength(1);
    await lock!.release();
    expect(await placesOf(clientOf(server), name)).toHaveLength(0);
  });

  it('H13, H64: the reply to enqueue is lost: one place in the end, and the lock is granted', async () => {
    const proxy = await proxied();
    const locks = createLocks(adapterOf(proxy));
    await (await locks.acquire(newName())).release();
    const name = newName();
    const swallowed = proxy.swallowReplies({ match: about(name), thenCut: true });
    const lock = await locks.acquire(name);
    await swallowed;
    await eventually('one key', async () => (await placesOf(clientOf(server), name)).length === 1);
    await lock.release();
    await eventually('no key', async () => (await placesOf(clientOf(server), name)).length === 0);
  });

  it('H14, H70: the reply to release is lost: released, and no key stays', async () => {
    const proxy = await proxied();
    const locks = createLocks(adapterOf(proxy));
    const name = newName();
    const lock = await locks.acquire(name);
    const swallowed = proxy.swallowReplies({ match: about(name), thenCut: true });
    expect(await lock.release()).toBe('released');
    await swallowed;
    await eventually('no key', async () => (await placesOf(clientOf(server), name)).length === 0);
  });

  it('H83: predecessor deleted and history compacted while the waiter is cut off', async () => {
    const proxy = await proxied();
    const raw = clientOf(server);
    const [one, two] = [adapterOf(server), adapterOf(proxy)];
    const hold = attemptFor(newName());
    await one.tryAcquire(hold);
    const { waiting } = await waitIn(two, hold.key);
    await sleep(100);
    proxy.refuse();
    await one.release(hold);
    const { header } = await raw.kv.put({ key: Buffer.from('other'), value: Buffer.from('1') });
    await raw.kv.compact({ revision: header.revision, physical: true });
    await proxy.heal();
    expect((await waiting).status).toBe('granted');
  });
});
