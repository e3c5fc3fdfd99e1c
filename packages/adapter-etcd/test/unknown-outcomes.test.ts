import { setTimeout as sleep } from 'node:timers/promises';
import { createLocks, type Granted } from '@holdfast/lock-core';
import { type EtcdServer, type FaultProxy, faultProxy, startEtcd } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import {
  adapterOf,
  attemptFor,
  clientOf,
  detour,
  eventually,
  forceRelease,
  leasesOf,
  newName,
  placesOf,
} from './support/etcd.ts';

let server: EtcdServer;
beforeAll(async () => {
  server = await startEtcd();
});
afterAll(() => server.stop());

async function proxied(to: EtcdServer = server): Promise<FaultProxy> {
  const proxy = await faultProxy(to);
  onTestFinished(() => proxy.close());
  return proxy;
}

describe('a lease whose grant was not answered', () => {
  it('(H80) is revoked soon, and does not live on for its TTL', async () => {
    const fresh = await startEtcd();
    onTestFinished(() => fresh.stop());
    const proxy = await proxied(fresh);
    const adapter = adapterOf(proxy, { callTimeoutMs: 1_500 });
    await adapter.inspect!('connected');
    proxy.blackHole('to-client');
    const refused = expect(adapter.tryAcquire(attemptFor(newName(), { ttlMs: 600_000 }))).rejects.toThrow('no answer');
    const raw = clientOf(fresh);
    await eventually('etcd has granted the lease', async () => (await leasesOf(raw)).length === 1);
    await refused;
    await proxy.heal();
    await eventually('no lease is left', async () => (await leasesOf(raw)).length === 0, 8_000);
  });

  it('(H80) is revoked when the grant is processed late, after a revocation that found nothing', async () => {
    const fresh = await startEtcd();
    onTestFinished(() => fresh.stop());
    const proxy = await proxied(fresh);
    const late = clientOf(proxy);
    await late.get('connected').string();
    const client = detour(clientOf(fresh), 'leaseClient', 'leaseGrant', late);
    const adapter = adapterOf(fresh, { client, callTimeoutMs: 500 });
    proxy.hold('to-server');
    await expect(adapter.tryAcquire(attemptFor(newName(), { ttlMs: 600_000 }))).rejects.toThrow();
    await sleep(400);
    const raw = clientOf(fresh);
    expect(await leasesOf(raw)).toHaveLength(0);
    await proxy.heal();
    await eventually('no lease is left', async () => (await leasesOf(raw)).length === 0, 8_000);
    await sleep(2_500);
    expect(await leasesOf(raw)).toHaveLength(0);
  });
});

describe('a refresh', () => {
  it.each([6_000, 9_000, 30_000])('(H113) a late acquire of %i ms does not shorten a renewed hold', async (ttlMs) => {
    const [adapter, other] = [adapterOf(server), adapterOf(server)];
    const attempt = attemptFor(newName(), { ttlMs: 1_000 });
    const first = (await adapter.tryAcquire(attempt)) as Granted;
    const renewedAt = performance.now();
    await adapter.renew(attempt, ttlMs);
    const again = await adapter.tryAcquire(attempt);
    expect(again).toMatchObject({ status: 'granted', fencingToken: first.fencingToken });
    await sleep(2_200);
    expect((await other.tryAcquire(attemptFor(attempt.key))).status).toBe('busy');
    const remainingMs = (await adapter.inspect!(attempt.key))?.remainingMs;
    expect(remainingMs).toBeGreaterThan(ttlMs - (performance.now() - renewedAt) - 1_500);
  });

  it('(H113) an acquire of a longer TTL extends the hold', async () => {
    const adapter = adapterOf(server);
    const attempt = attemptFor(newName(), { ttlMs: 1_000 });
    await adapter.tryAcquire(attempt);
    const longer = (await adapter.tryAcquire(attemptFor(attempt.key, { ...attempt, ttlMs: 20_000 }))) as Granted;
    expect(longer.validForMs).toBeGreaterThan(19_000);
    await sleep(2_500);
    expect((await adapter.renew(attempt, 20_000)).status).toBe('renewed');
  });

  it('(H113) a renewal to a shorter TTL that arrives late, after a longer one, shortens nothing', async () => {
    const proxy = await proxied();
    const late = clientOf(proxy);
    await late.get('connected').string();
    const direct = clientOf(server);
    let over = direct;
    const client = Object.create(direct, {
      kv: {
        value: Object.create(direct.kv, {
          txn: { value: (...args: Parameters<typeof direct.kv.txn>) => over.kv.txn(...args) },
        }),
      },
    });
    const adapter = adapterOf(server, { client, callTimeoutMs: 700 });
    const attempt = attemptFor(newName(), { ttlMs: 10_000 });
    await adapter.tryAcquire(attempt);
    proxy.hold('to-server');
    over = late;
    await expect(adapter.renew(attempt, 2_000)).rejects.toThrow('no answer');
    over = direct;
    expect((await adapter.renew(attempt, 20_000)).status).toBe('renewed');
    await proxy.heal();
    await sleep(4_500);
    expect(await placesOf(direct, attempt.key)).toHaveLength(1);
    expect((await adapter.renew(attempt, 20_000)).status).toBe('renewed');
  });
});

describe('a forced release', () => {
  it('(H112) names the owner: repeated after a hand-over, it leaves the next holder alone', async () => {
    const adapter = adapterOf(server);
    const [first, second] = [attemptFor(newName()), attemptFor('')];
    await adapter.tryAcquire(first);
    expect(await forceRelease(adapter, first.key, 'somebody else')).toBe(false);
    expect(await forceRelease(adapter, first.key, first.owner)).toBe(true);
    const next = { ...second, key: first.key, signal: second.signal };
    await adapter.tryAcquire(next);
    expect(await forceRelease(adapter, first.key, first.owner)).toBe(false);
    expect((await adapter.inspect!(first.key))?.owner).toBe(next.owner);
    expect(await adapter.forceRelease!(first.key)).toBe(true);
    expect(await forceRelease(adapter, first.key, next.owner)).toBe(false);
  });

  it('a holder that was forced out is never told that it renewed, whatever was asked a moment ago', async () => {
    const [adapter, operator] = [adapterOf(server), adapterOf(server)];
    const attempts = Array.from({ length: 200 }, () => attemptFor(newName(), { ttlMs: 9_000 }));
    for (const attempt of attempts) await adapter.tryAcquire(attempt);
    const gone = new Set([0, 1, 127, 128, 199]);
    expect(new Set((await adapter.renewMany!(attempts, 9_000)).map(({ status }) => status))).toEqual(
      new Set(['renewed']),
    );
    for (const i of gone) {
      await operator.forceRelease!(attempts[i]!.key);
      await operator.tryAcquire(attemptFor(attempts[i]!.key));
    }
    const outcomes = await adapter.renewMany!(attempts, 9_000);
    expect(outcomes.map(({ status }) => status)).toEqual(attempts.map((_, i) => (gone.has(i) ? 'lost' : 'renewed')));
  });
});

describe('one owner, one release', () => {
  it('(H111) a release that is processed late does not delete the newer key of the same owner', async () => {
    const proxy = await proxied();
    const late = clientOf(proxy);
    await late.get('connected').string();
    const client = detour(clientOf(server), 'kv', 'txn', late);
    const slow = adapterOf(server, { client, callTimeoutMs: 700 });
    const attempt = attemptFor(newName());
    await slow.tryAcquire(attempt);
    proxy.hold('to-server');
    await expect(slow.release(attempt)).rejects.toThrow('no answer');
    const other = adapterOf(server);
    await forceRelease(other, attempt.key, attempt.owner);
    expect((await other.tryAcquire(attempt)).status).toBe('granted');
    await proxy.heal();
    await sleep(1_000);
    expect((await other.renew(attempt, 30_000)).status).toBe('renewed');
  });

  it('a release during the acquire of its owner waits for it, and leaves nothing', async () => {
    const adapter = adapterOf(server);
    for (let i = 0; i < 5; i += 1) {
      const attempt = attemptFor(newName());
      const acquiring = adapter.tryAcquire(attempt);
      if (i % 2 === 1) await Promise.resolve();
      expect(await adapter.release(attempt)).toBe('released');
      await acquiring;
      expect(await placesOf(clientOf(server), attempt.key)).toHaveLength(0);
    }
  });

  it('close ends at once when a request was just sent', async () => {
    for (let i = 0; i < 4; i += 1) {
      const locks = createLocks(adapterOf(server));
      locks.tryAcquire(newName()).catch(() => {});
      if (i % 2 === 1) await Promise.resolve();
      const startedAt = performance.now();
      await locks.close();
      expect(performance.now() - startedAt).toBeLessThan(1_500);
    }
  });
});

describe('an outage', () => {
  it('(H116) requests without a connection leave nothing to clean up, and the first lock follows the recovery', async () => {
    const fresh = await startEtcd();
    onTestFinished(() => fresh.stop());
    const adapter = adapterOf(fresh);
    await adapter.tryAcquire(attemptFor(newName(), { ttlMs: 60_000 }));
    await fresh.kill();
    for (let i = 0; i < 200; i += 1) await adapter.tryAcquire(attemptFor(newName())).catch(() => {});
    await fresh.restart();
    const restartedAt = performance.now();
    const attempt = attemptFor(newName());
    await eventually('a lock', () =>
      adapter.tryAcquire(attempt).then(
        ({ status }) => status === 'granted',
        () => false,
      ),
    );
    // The longest pause between two connections is 1 s.
    expect(performance.now() - restartedAt).toBeLessThan(2_500);
  }, 30_000);
});
