import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLocks } from '@holdfast/lock-core';
import { type EtcdServer, faultProxy, startEtcd } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createEndpoints } from '../src/endpoints.ts';
import { createLockKeys } from '../src/lock-keys.ts';
import { createWatches } from '../src/watches.ts';
import {
  adapterOf,
  attemptFor,
  clientOf,
  detour,
  eventually,
  metric,
  newName,
  placesOf,
  waitIn,
} from './support/etcd.ts';

let server: EtcdServer;
beforeAll(async () => {
  server = await startEtcd();
});
afterAll(() => server.stop());

describe('the queue', () => {
  it('4 processes x 8 waiters: the order of the grants is the order of queueing, one at a time', async () => {
    const name = newName();
    const adapter = adapterOf(server);
    const hold = attemptFor(name);
    await adapter.tryAcquire(hold);
    const children: ChildProcess[] = Array.from({ length: 4 }, () =>
      fork(new URL('./support/waiters.ts', import.meta.url), [String(server.port), name], {
        execArgv: ['--import', 'tsx'],
      }),
    );
    onTestFinished(() => {
      for (const child of children) child.kill('SIGKILL');
    });
    const reports = children.map((child) => once(child, 'message'));
    await eventually('all wait', async () => (await placesOf(clientOf(server), name)).length === 33, 60_000);
    await adapter.release(hold);
    const grants = (await Promise.all(reports)).map(([grant]) => grant as { i: number; token: string; at: string }[]);
    const byTime = grants.flat().sort((a, b) => Number(BigInt(a.at) - BigInt(b.at)));
    const tokens = byTime.map(({ token }) => BigInt(token));
    expect(tokens).toEqual([...tokens].sort((a, b) => Number(a - b)));
    expect(new Set(tokens).size).toBe(32);
  }, 90_000);

  it('a stream that never opens, as for want of a token, is given up, and the waiters look for themselves', async () => {
    const client = clientOf(server);
    let opened = 0;
    const never = Object.create(client.watchClient, {
      watch: { value: () => (opened++ === 0 ? new Promise(() => {}) : client.watchClient.watch()) },
    });
    const adapter = adapterOf(server, { client: Object.create(client, { watchClient: { value: never } }) });
    const other = adapterOf(server);
    const hold = attemptFor(newName());
    await other.tryAcquire(hold);
    const { waiting } = await waitIn(adapter, hold.key);
    await eventually('it opens again', () => opened > 1);
    await other.release(hold);
    expect(await waiting).toMatchObject({ status: 'granted' });
  });

  it('a stream that opens when it was given up is ended, and its member is not taken for a failed one', async () => {
    const client = clientOf(server);
    const ended: boolean[] = [];
    const open = async () => {
      const stream = (await client.watchClient.watch()) as unknown as Duplex;
      // As etcd3 does, which counts a stream that fails while it is writable against its member.
      stream.once('error', () => ended.push(!stream.writable));
      return stream;
    };
    let giveIn = (): void => {};
    let opened = 0;
    const late = Object.create(client.watchClient, {
      watch: {
        value: () =>
          opened++ === 0 ? new Promise<void>((resolve) => (giveIn = resolve)).then(open) : client.watchClient.watch(),
      },
    });
    const adapter = adapterOf(server, { client: Object.create(client, { watchClient: { value: late } }) });
    const hold = attemptFor(newName());
    await adapter.tryAcquire(hold);
    const { waiting } = await waitIn(adapter, hold.key);
    await eventually('it opens again', () => opened > 1);
    giveIn();
    await eventually('it is cancelled', () => ended.length > 0);
    expect(ended).toEqual([true]);
    await adapter.release(hold);
    expect(await waiting).toMatchObject({ status: 'granted' });
  });

  it('H42, H43: an aborted waiter leaves neither key nor watch, and the next one is served at once', async () => {
    const adapter = adapterOf(server);
    const hold = attemptFor(newName());
    await adapter.tryAcquire(hold);
    const first = await waitIn(adapter, hold.key);
    const second = await waitIn(adapter, hold.key);
    first.abort.abort(new Error('enough'));
    await expect(first.waiting).rejects.toThrow('enough');
    expect(await placesOf(clientOf(server), hold.key)).toHaveLength(2);
    await adapter.release(hold);
    expect((await second.waiting).status).toBe('granted');
    await eventually(
      'no watch is left',
      async () => (await metric(server, /^etcd_debugging_mvcc_watcher_total /)) === 0,
    );
  });

  it('H77: a waiter whose lease was revoked is not granted when its turn comes', async () => {
    const [one, two] = [adapterOf(server), adapterOf(server)];
    const raw = clientOf(server);
    const hold = attemptFor(newName());
    await one.tryAcquire(hold);
    const { waiting, owner } = await waitIn(two, hold.key, { ttlMs: 20_000 });
    const place = (await placesOf(raw, hold.key)).find(({ key }) => key.endsWith(owner));
    await raw.leaseClient.leaseRevoke({ ID: place!.lease });
    await one.release(hold);
    await expect(waiting).rejects.toThrow('is gone');
    expect(await one.inspect!(hold.key)).toBeUndefined();
  });

  it('H77: a waiter that outlasts its TTL many times over keeps its place', async () => {
    const [one, two] = [adapterOf(server), adapterOf(server)];
    const hold = attemptFor(newName());
    await one.tryAcquire(hold);
    const { waiting } = await waitIn(two, hold.key, { ttlMs: 1_000 });
    await sleep(4_500);
    expect(await placesOf(clientOf(server), hold.key)).toHaveLength(2);
    const releasedAt = performance.now();
    await one.release(hold);
    const { validForMs } = await waiting;
    // A whole TTL from the grant, not from the call.
    expect(validForMs).toBeGreaterThan(4_500 + 900);
    expect(performance.now() - releasedAt).toBeLessThan(2_000);
  });

  it('H37, H83: the predecessor went between the look and the watch; history was compacted before the watch', async () => {
    const client = clientOf(server);
    const endpoints = createEndpoints([client], 2_000, false);
    const watches = createWatches(endpoints);
    onTestFinished(() => watches.close());
    const key = Buffer.from('watched');
    const { header } = await client.kv.put({ key, value: Buffer.from('1') });
    await client.kv.deleteRange({ key });
    await new Promise<void>((resolve) => watches.change(key, header.revision, false, resolve));
    const later = await client.kv.put({ key, value: Buffer.from('2') });
    await client.kv.compact({ revision: later.header.revision, physical: true });
    await new Promise<void>((resolve) => watches.change(key, header.revision, false, resolve));
  });

  it('H83: history was compacted to exactly the delete, which etcd 3.4 then no longer reports', async () => {
    const client = clientOf(server);
    const watches = createWatches(createEndpoints([client], 2_000, false));
    onTestFinished(() => watches.close());
    const key = Buffer.from('compacted');
    const { header: put } = await client.kv.put({ key, value: Buffer.from('1') });
    let changes = 0;
    watches.change(key, put.revision, true, () => {
      changes += 1;
    });
    await sleep(500);
    // What was seen already is no change.
    expect(changes).toBe(0);
    const { header: gone } = await client.kv.deleteRange({ key });
    await eventually('it is told of the delete', () => changes === 1);
    await client.kv.compact({ revision: gone.revision, physical: true });
    // etcd compacts in the background.
    await sleep(500);
    await new Promise<void>((resolve) => watches.change(key, put.revision, false, resolve));
  });

  it('H39: a release wakes the next waiter and no other', async () => {
    const name = newName();
    // Every waiter has a place of its own.
    const locks = createLocks(adapterOf(server), { localRun: { count: 0 } });
    const hold = await locks.acquire(name);
    const served: number[] = [];
    const waits = Array.from({ length: 50 }, (_, i) => locks.using(name, () => void served.push(i)));
    await eventually('all wait', async () => (await placesOf(clientOf(server), name)).length === 51);
    const transactions = () => metric(server, /^grpc_server_started_total\{grpc_method="Txn"/);
    const before = await transactions();
    await hold.release();
    await Promise.all(waits);
    expect(served).toEqual(Array.from(waits, (_, i) => i));
    // For each hand-over a release and the next one's look.
    expect((await transactions()) - before).toBeLessThanOrEqual(2 * 50 + 10);
  });

  it('H42: released while its request for a place stands behind another: nothing of it is sent any more', async () => {
    const proxy = await faultProxy(server);
    onTestFinished(() => proxy.close());
    const [adapter, other] = [adapterOf(proxy), adapterOf(server)];
    const hold = attemptFor(newName());
    await other.tryAcquire(hold);
    await adapter.tryAcquire(attemptFor(newName()));
    proxy.delay(300);
    const first = attemptFor(hold.key);
    const gone = attemptFor(hold.key);
    const abort = new AbortController();
    const waiting = adapter.enqueue!(first, abort.signal);
    const refused = expect(adapter.enqueue!(gone, gone.signal)).rejects.toThrow('released');
    await adapter.release(gone);
    await refused;
    proxy.delay(0);
    const owners = (await placesOf(clientOf(server), hold.key)).map(({ key }) => key.split('/').at(-1));
    expect(owners).not.toContain(gone.owner);
    await other.release(hold);
    expect((await waiting).status).toBe('granted');
  });

  it('H42: a key that was made after its owner’s release had found nothing is deleted', async () => {
    const client = clientOf(server);
    const places = createLockKeys(createEndpoints([client], 2_000, false));
    const name = newName();
    const key = `locks/${name}/owner`;
    const asking = places.begin(key);
    const releasing = places.begin(key);
    places.forget(releasing);
    places.end(releasing);
    await client.put(key).value('2000');
    asking.expiresAt = performance.now();
    places.end(asking);
    await eventually('the key is gone', async () => (await placesOf(client, name)).length === 0, 5_000);
  });

  it('H24: force-released at the moment of a hand-over: whoever holds it then is the one', async () => {
    const proxy = await faultProxy(server);
    onTestFinished(() => proxy.close());
    const detoured = clientOf(proxy);
    await detoured.get('connected').string();
    const client = detour(clientOf(server), 'kv', 'txn', detoured);
    const operator = adapterOf(server, { client, callTimeoutMs: 5_000 });
    const adapter = adapterOf(server);
    const hold = attemptFor(newName());
    await adapter.tryAcquire(hold);
    const next = await waitIn(adapter, hold.key);
    proxy.hold();
    const forced = operator.forceRelease!(hold.key);
    // Time to see the holder; its deletion is held back.
    await sleep(300);
    await adapter.release(hold);
    await next.waiting;
    await proxy.heal();
    expect(await forced).toBe(true);
    expect(await placesOf(clientOf(server), hold.key)).toHaveLength(0);
  });

  it('H25: a key without a lease is no lock: refused at once, left untouched', async () => {
    const raw = clientOf(server);
    const name = newName();
    await raw.kv.put({ key: Buffer.from(`locks/${name}/config`), value: Buffer.from('mine') });
    const locks = createLocks(adapterOf(server));
    for (const call of ['acquire', 'tryAcquire', 'inspect', 'forceRelease'] as const) {
      await expect(locks[call](name)).rejects.toMatchObject({ code: 'LOCK_FOREIGN_KEY' });
    }
    await eventually('only the foreign key is there', async () => (await placesOf(raw, name)).length === 1);
    expect(await raw.get(`locks/${name}/config`).string()).toBe('mine');
  });

  it('names are apart, whatever signs they have; the keys are those of etcd’s own mutex', async () => {
    const adapter = adapterOf(server);
    const names = ['a', 'a/', 'a/b', 'a%2Fb', 'a0', '/', '%', 'ä', '\u{1F512}'];
    const attempts = names.map((name) => attemptFor(name));
    for (const attempt of attempts) expect((await adapter.tryAcquire(attempt)).status).toBe('granted');
    for (const { key, owner } of attempts) expect((await adapter.inspect!(key))?.owner).toBe(owner);
    expect(await placesOf(clientOf(server), 'a')).toHaveLength(1);
  });
});
