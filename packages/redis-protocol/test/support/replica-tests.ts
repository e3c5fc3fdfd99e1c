import { createLocks } from '@holdfast/lock-core';
import { type RedisClientBinding, redisLockAdapter } from '@holdfast/redis-protocol';
import type { RedisServer } from '@holdfast/testbed';
import { expect, it } from 'vitest';
import { attempt, grant, lockError, newName, until } from './helpers.ts';
import { type ClientKit, single } from './kit.ts';

/** What one owner ID may cause where its grants wait for replicas. */
export function replicaTests(
  kit: ClientKit,
  servers: () => { readonly server: RedisServer; readonly replica: RedisServer },
): void {
  const holderOf = (key: string) => servers().server.command('GET', `lock:${key}`);

  it('with waitReplicas, a request that was overtaken by another of its owner ID releases nothing (H111)', async () => {
    const client = kit.connect(single(servers().server));
    const adapter = client.adapter({ waitReplicas: 1, waitReplicasTimeoutMs: 600 });
    await until('a grant', () => grant(adapter, attempt(newName())).catch(() => undefined));
    const request = attempt(newName(), { ttlMs: 60_000 });
    servers().replica.freeze();
    const first = adapter.tryAcquire(request).catch((error: unknown) => error);
    await until('the first request arrived', async () => (await holderOf(request.key)) === request.owner);
    const second = adapter.tryAcquire(request);
    expect(await first).toEqual(lockError('LOCK_BACKEND', { retryable: true }));
    // The second waits behind it for the replica, which answers now.
    servers().replica.thaw();
    expect(await second).toMatchObject({ status: 'granted' });
    expect(await holderOf(request.key)).toBe(request.owner);
    await adapter.close?.();
    await client.close();
  });

  it('with waitReplicas, nothing is acquired for an owner ID after its release was sent (H111)', async () => {
    const client = kit.connect(single(servers().server));
    const adapter = client.adapter({ waitReplicas: 2, waitReplicasTimeoutMs: 20 });
    const request = attempt(newName(), { ttlMs: 60_000 });
    await until('an answer', () => adapter.tryAcquire(attempt(newName())).catch(() => undefined));
    expect(await adapter.tryAcquire(request)).toEqual({ status: 'busy' });
    expect(await holderOf(request.key)).toBe(null);
    expect(await adapter.tryAcquire(request)).toEqual({ status: 'busy' });
    expect(await holderOf(request.key)).toBe(null);
    await adapter.close?.();
    await client.close();
  });

  it.each([0, 1])(
    'a release that overtakes its request leaves nothing locked, with waitReplicas %i (H64)',
    async (waitReplicas) => {
      const { server } = servers();
      const client = kit.connect(single(server));
      const adapter = client.adapter({ waitReplicas });
      const busy = attempt(newName(), { ttlMs: 60_000 });
      await until('a grant', () => grant(adapter, busy).catch(() => undefined));
      const queued = new AbortController();
      const waiter = attempt(busy.key, { onQueued: () => queued.abort(new Error('it listens')) });
      await expect(adapter.enqueue!(waiter, queued.signal)).rejects.toThrow('it listens');
      // The server then knows the script of the release only, and the one of the request is sent again behind it.
      await server.command('SCRIPT', 'FLUSH');
      await adapter.release(attempt(newName()));
      const request = attempt(newName(), { ttlMs: 60_000 });
      const refused = adapter.enqueue!(request, new AbortController().signal).catch((error: unknown) => error);
      await adapter.release(request);
      expect(await refused).toEqual(lockError('LOCK_BACKEND'));
      // Behind all that was sent.
      await until('it is free', async () => (await client.works()) && (await holderOf(request.key)) === null);
      await adapter.release(busy);
      await adapter.close?.();
      await client.close();
    },
  );

  it('with waitReplicas, whoever waits is not woken by the grants that it takes back itself', async () => {
    const client = kit.connect(single(servers().server));
    const locks = createLocks(client.adapter({ waitReplicas: 2, waitReplicasTimeoutMs: 1 }));
    await until('it is connected', () => client.binding().ready);
    await servers().server.command('CONFIG', 'RESETSTAT');
    await expect(locks.acquire(newName(), { waitMs: 600 })).rejects.toEqual(lockError('LOCK_TIMEOUT'));
    const stats = String(await servers().server.command('INFO', 'commandstats'));
    expect(Number(/cmdstat_wait:calls=(\d+)/.exec(stats)?.[1])).toBeLessThan(25);
    await locks.close();
    await client.close();
  });

  it('waitReplicas that outlasts the time-out of the client is refused at once', async () => {
    const clientOptions = kit.name.startsWith('ioredis')
      ? { commandTimeout: 50 }
      : { socket: { host: servers().server.host, port: servers().server.port, socketTimeout: 50 } };
    const client = kit.connect({ ...single(servers().server), clientOptions });
    expect(() => client.adapter({ waitReplicas: 1 })).toThrow(lockError('LOCK_INVALID_ARGUMENT') as Error);
    client.adapter({ waitReplicas: 1, waitReplicasTimeoutMs: 20 });
    await client.close();
  });

  it('with waitReplicas, a refusal of the release of a grant that is given up leaves nothing locked (H115)', async () => {
    const client = kit.connect(single(servers().server));
    const binding = client.binding();
    await until('it is connected', () => binding.ready);
    let refusals = 2;
    const refusing: RedisClientBinding = Object.create(binding, {
      call: {
        value: async (...[command, args, at]: Parameters<RedisClientBinding['call']>) => {
          const isRelease = args.at(-1) === '';
          if (isRelease && --refusals >= 0)
            throw new Error('NOPERM User default has no permissions to run the command');
          return binding.call(command, args, at);
        },
      },
    });
    const key = newName();
    const locks = createLocks(redisLockAdapter(refusing, { waitReplicas: 2, waitReplicasTimeoutMs: 20 }));
    const error = await locks.acquire(key, { ttlMs: 60_000 }).catch((reason: unknown) => reason);
    expect(error).toEqual(lockError('LOCK_BACKEND', { retryable: false }));
    await until('it is free', async () => (await holderOf(key)) === null);
    await locks.close();
    await client.close();
  });
}
