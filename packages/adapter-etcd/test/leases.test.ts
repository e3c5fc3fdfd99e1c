import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLocks, type Granted } from '@holdfast/lock-core';
import { type EtcdServer, startEtcd } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { adapterOf, attemptFor, clientOf, eventually, leasesOf, metric, newName, placesOf } from './support/etcd.ts';

let server: EtcdServer;
beforeAll(async () => {
  server = await startEtcd();
});
afterAll(() => server.stop());

// Of keep-alives there are the more the longer it takes.
const requests = () => metric(server, /^grpc_server_started_total\{.*grpc_service="etcdserverpb\.(KV|Watch)"/);

describe('the shared lease', () => {
  it('1,000 auto-renewed locks of 6 s cost at most 14 requests a second, and each of them is renewed', async () => {
    const fresh = await startEtcd();
    onTestFinished(() => fresh.stop());
    const count = () => metric(fresh, /^grpc_server_started_total\{.*grpc_service="etcdserverpb\.(KV|Lease|Watch)"/);
    const locks = createLocks(adapterOf(fresh), { ttlMs: 6_000, backendTimeoutMs: 20_000 });
    const held = await Promise.all(Array.from({ length: 1_000 }, (_, i) => locks.acquire(`many/${i}`)));
    await sleep(1_000);
    const [before, beganAt] = [await count(), performance.now()];
    await sleep(6_000);
    const made = (await count()) - before;
    const seconds = (performance.now() - beganAt) / 1_000;
    expect(held.filter((lock) => lock.state === 'held')).toHaveLength(1_000);
    // In each 2 s: 8 transactions of 128 locks, up to 16 more because renewals meet in 16 batches, and a few keep-alives.
    expect(made).toBeLessThanOrEqual(14 * seconds);
    expect(await leasesOf(clientOf(fresh))).toHaveLength(1);
    await Promise.all(held.map((lock) => lock.release()));
    expect(await metric(fresh, /^etcd_debugging_mvcc_keys_total /)).toBe(0);
    await locks.close();
    expect(await leasesOf(clientOf(fresh))).toHaveLength(0);
  }, 90_000);

  it('H80, H82: a hold that is not renewed goes at its TTL, although others keep its lease alive', async () => {
    const adapter = adapterOf(server);
    const locks = createLocks(adapter);
    const kept = await locks.acquire(newName(), { ttlMs: 2_000 });
    const name = newName();
    const sentAt = performance.now();
    const attempt = attemptFor(name, { ttlMs: 1_500 });
    const { validForMs } = (await adapter.tryAcquire(attempt)) as Granted;
    expect(validForMs).toBe(2_000);
    const next = await createLocks(adapterOf(server)).acquire(name);
    expect(performance.now() - sentAt).toBeGreaterThanOrEqual(validForMs);
    expect(await adapter.renew(attempt, 2_000)).toEqual({ status: 'lost' });
    expect([kept.state, next.state]).toEqual(['held', 'held']);
  });

  it('H6: a renewal that comes when the time is over is lost, also while the key is still being deleted', async () => {
    const adapter = adapterOf(server);
    const raw = clientOf(server);
    await createLocks(adapter).acquire(newName(), { ttlMs: 1_000 });
    await Promise.all(
      [-10, 0, 2, 5, 10, 20, 25, 30, 50, 100].map(async (lateMs) => {
        const attempt = attemptFor(newName(), { ttlMs: 1_000 });
        const sentAt = performance.now();
        await adapter.tryAcquire(attempt);
        await sleep(sentAt + 1_000 + lateMs - performance.now());
        const askedAt = performance.now();
        const outcome = await adapter.renew(attempt, 1_000);
        if (outcome.status === 'lost') return;
        // What was promised stands.
        const places = await placesOf(raw, attempt.key);
        if (performance.now() < askedAt + outcome.validForMs) expect(places).toHaveLength(1);
        await sleep(300);
        const later = await placesOf(raw, attempt.key);
        if (performance.now() < askedAt + outcome.validForMs) expect(later).toHaveLength(1);
      }),
    );
  });

  it('H80: a key that a late request made, and that nobody waits for, is deleted though its lease lives', async () => {
    const raw = clientOf(server);
    const locks = createLocks(adapterOf(server));
    const lock = await locks.acquire(newName(), { ttlMs: 2_000 });
    const [{ lease } = { lease: '' }] = await placesOf(raw, lock.key);
    const name = newName();
    await raw.kv.put({ key: Buffer.from(`locks/${name}/late`), value: Buffer.from('2000'), lease });
    await eventually('the orphan is gone', async () => (await placesOf(raw, name)).length === 0);
    expect(lock.state).toBe('held');
  });

  it('H57, H77: revoked from outside: all of its holds are lost and say so; the next ones get a new lease', async () => {
    const raw = clientOf(server);
    const locks = createLocks(adapterOf(server), { ttlMs: 3_000 });
    const held = await Promise.all(Array.from({ length: 5 }, () => locks.acquire(newName())));
    const [{ lease } = { lease: '' }] = await placesOf(raw, held[0]!.key);
    await raw.leaseClient.leaseRevoke({ ID: lease });
    await Promise.all(held.map(({ signal }) => signal.aborted || once(signal, 'abort')));
    expect(held.map((lock) => lock.state)).toEqual(Array.from(held, () => 'lost'));
    const again = await locks.acquire(held[0]!.key);
    expect(again.fencingToken).toBeGreaterThan(held[0]!.fencingToken!);
  });

  it('H24: force-released by an operator: the next renewal says lost, and disturbs nobody', async () => {
    const [one, two] = [adapterOf(server), adapterOf(server)];
    const attempt = attemptFor(newName());
    await one.tryAcquire(attempt);
    expect((await one.renew(attempt, 30_000)).status).toBe('renewed');
    expect(await two.forceRelease!(attempt.key)).toBe(true);
    const next = attemptFor(attempt.key);
    await two.tryAcquire(next);
    expect(await one.renew(attempt, 30_000)).toEqual({ status: 'lost' });
    expect((await one.inspect!(attempt.key))?.owner).toBe(next.owner);
  });

  it('H2, H81: a killed process leaves nothing: renewed or not, its locks are free within TTL + overshoot', async () => {
    const child = fork(new URL('./support/holder.ts', import.meta.url), [String(server.port), '2000'], {
      execArgv: ['--import', 'tsx'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child, 'message');
    const adapter = adapterOf(server);
    await sleep(1_000);
    child.kill('SIGKILL');
    const killedAt = performance.now();
    expect((await adapter.tryAcquire(attemptFor('crash/renewed'))).status).toBe('busy');
    const { ttl } = adapter.capabilities;
    for (const name of ['crash/renewed', 'crash/once']) {
      await eventually('free', async () => (await adapter.tryAcquire(attemptFor(name))).status === 'granted', 10_000);
    }
    expect(performance.now() - killedAt).toBeLessThan(2_000 + ttl.maxOvershootMs + 1_000);
  });

  it('H75: 1,000 names used once leave no key; leases of many TTLs do not pile up and go with close', async () => {
    const raw = clientOf(server);
    const known = await leasesOf(raw);
    const adapter = adapterOf(server);
    const locks = createLocks(adapter);
    const before = await metric(server, /^etcd_debugging_mvcc_keys_total /);
    for (let i = 0; i < 1_000; i += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, j) => locks.using(`once/${i + j}`, () => {})));
    }
    expect(await metric(server, /^etcd_debugging_mvcc_keys_total /)).toBeLessThanOrEqual(before);
    for (const ttlMs of [1_000, 2_000, 3_000, 60_000]) await locks.using('ttl', { ttlMs }, () => {});
    await locks.close();
    const left = (await leasesOf(raw)).filter((id) => !known.includes(id));
    expect(left).toHaveLength(0);
  }, 60_000);

  it('requests of an uncontended lock: two transactions, as one would write them by hand', async () => {
    const locks = createLocks(adapterOf(server));
    await locks.using(newName(), () => {});
    const before = await requests();
    for (let i = 0; i < 20; i++) await locks.using(newName(), () => {});
    expect((await requests()) - before).toBe(40);
  });
});
