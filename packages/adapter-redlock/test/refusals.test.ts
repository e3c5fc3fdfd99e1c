import { createLocks, type LockError } from '@holdfast/lock-core';
import { startRedisCluster } from '@holdfast/testbed';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { attempt, grant, lockError, newName, until } from '../../redis-protocol/test/support/helpers.ts';
import { redlockAdapter } from '../src/index.ts';
import { useRig } from './support/rig.ts';

const rig = useRig();
const opened: Redis[] = [];
afterEach(() => {
  for (const client of opened.splice(0)) client.disconnect();
});

/** An adapter over three nodes; on the first `limited` of them the user lacks the rights that `rules` take away. */
async function withRules(limited: number, ...rules: string[]) {
  const servers = rig.servers.slice(0, 3);
  const user = newName('user');
  for (const [i, server] of servers.entries()) {
    await server.command('ACL', 'SETUSER', user, 'on', '>secret', '~*', '&*', '+@all', ...(i < limited ? rules : []));
  }
  const clients = servers.map(({ host, port }) => new Redis({ host, port, username: user, password: 'secret' }));
  for (const client of clients) client.on('error', () => {});
  opened.push(...clients);
  return redlockAdapter(clients);
}

const refusal = (words: string): unknown =>
  lockError('LOCK_BACKEND', { retryable: false, message: expect.stringMatching(words) });

describe('H130: a command that the user may not use', () => {
  it.each(['-info', '-evalsha', '-set', '-get'])(
    '%s on a majority is told at once, and no vote is left',
    async (rule) => {
      const adapter = await withRules(2, rule);
      const key = newName();
      const sentAt = performance.now();
      await expect(adapter.tryAcquire(attempt(key))).rejects.toEqual(
        refusal('Redlock node \\d \\(ioredis\\) refuses: .*(NOPERM|ERR)'),
      );
      expect(performance.now() - sentAt).toBeLessThan(5_000);
      await until('no vote is left', async () => (await rig.votes(key)) === 0);
    },
  );

  it.each(['-info', '-evalsha', '-set', '-get', '-del', '-pttl', '-pexpire', '-publish', '-pubsub', '-time'])(
    '%s on a minority costs nothing',
    async (rule) => {
      const locks = createLocks(await withRules(1, rule), { ttlMs: 10_000 });
      const lock = await locks.acquire(newName());
      await lock.renew();
      expect(await lock.release()).toBe('released');
      await locks.close();
    },
  );

  it.each(['-pttl', '-pexpire', '-pubsub', '-time', '-publish'])(
    '%s on all nodes: a lock, or a refusal; nothing is left',
    async (rule) => {
      const adapter = await withRules(3, rule);
      const [request, other] = [attempt(newName()), attempt(newName())];
      const outcome = await adapter.tryAcquire(request);
      expect(outcome.status).toBe('granted');
      expect(await adapter.tryAcquire({ ...other, key: request.key })).toMatchObject({ status: 'busy' });
      expect(await adapter.release(request)).toBe('released');
      await until('no vote is left', async () => (await rig.votes(request.key)) === 0);
    },
  );

  it('H115: the fence keys are out of reach: refused with the words, and the vote is undone', async () => {
    const adapter = await withRules(2, 'resetkeys', '~lock:*');
    const key = newName();
    await expect(adapter.tryAcquire(attempt(key))).rejects.toEqual(refusal('NOPERM|access'));
    await until('no vote is left', async () => (await rig.votes(key)) === 0);
  });

  it.each(['-zrem', '-zscore', '-zcount', '-hget', '-hset', '-pexpire', '-time', '-zrevrangebyscore'])(
    'H115: %s on all nodes: no shared lock, nor permit, that could not be released',
    async (rule) => {
      const adapter = await withRules(3, rule);
      for (const claim of [{ mode: 'shared' }, { mode: 'permits', permits: 1, limit: 2 }] as const) {
        const request = attempt(newName(), { claim });
        await expect(adapter.tryAcquire(request)).rejects.toEqual(refusal('NOPERM|ERR'));
        await until('no vote is left', async () => (await rig.votes(request.key)) === 0);
      }
      const request = attempt(newName());
      await grant(adapter, request);
      await expect(adapter.downgrade!(request, 5_000)).rejects.toEqual(refusal('NOPERM|ERR'));
      expect(await adapter.release({ ...request, claim: { mode: 'shared' } })).toBe('released');
      await until('no vote is left', async () => (await rig.votes(request.key)) === 0);
    },
  );

  it('a user without DEL releases all the same', async () => {
    const adapter = await withRules(3, '-del');
    const held = async () => {
      const request = attempt(newName());
      return { ...request, fencingToken: (await grant(adapter, request)).fencingToken };
    };
    const [alone, one, two] = [await held(), await held(), await held()];
    expect(await adapter.release(alone)).toBe('released');
    // Those of one turn go out together, by another script.
    expect(await Promise.all([adapter.release(one), adapter.release(two)])).toEqual(['released', 'released']);
    for (const { key } of [alone, one, two]) await until('no vote is left', async () => (await rig.votes(key)) === 0);
  });

  it('a listing without SCAN is refused at once', async () => {
    await using locks = createLocks(await withRules(3, '-scan'), { backendTimeoutMs: 30_000 });
    await expect(locks.list()[Symbol.asyncIterator]().next()).rejects.toEqual(refusal('NOPERM'));
  });

  it('a release that is refused is no "not held"', async () => {
    const adapter = await withRules(0);
    const request = attempt(newName(), { ttlMs: 3_000 });
    const { fencingToken } = await grant(adapter, request);
    for (const server of rig.servers.slice(0, 2)) {
      for (const user of (await server.command('ACL', 'USERS')) as string[]) {
        if (user !== 'default') await server.command('ACL', 'SETUSER', user, '-get');
      }
    }
    await expect(adapter.release({ ...request, fencingToken })).rejects.toEqual(refusal('NOPERM|ERR'));
  });

  it.each(['downgrade', 'renew'] as const)(
    'H14: a %s that a majority refuses says that the others may have done it',
    async (change) => {
      for (const [refusing, notSent] of [
        [2, false],
        [3, undefined],
      ] as const) {
        const adapter = await withRules(0);
        const request = attempt(newName(), { ttlMs: 3_000 });
        const { fencingToken } = await grant(adapter, request);
        for (const server of rig.servers.slice(0, refusing)) {
          for (const user of (await server.command('ACL', 'USERS')) as string[]) {
            if (user !== 'default') await server.command('ACL', 'SETUSER', user, '-get');
          }
        }
        const told = await adapter[change]!({ ...request, fencingToken }, 2_000).catch((error: LockError) => error);
        expect(told).toEqual(refusal('NOPERM|ERR'));
        expect((told as LockError & { notSent?: boolean }).notSent).toBe(notSent);
      }
    },
  );
});

it.each([undefined, { mode: 'shared' }] as const)('a user of some keys alone has their locks: %o', async (claim) => {
  const adapter = await withRules(3, 'resetkeys', '~lock:app:*', '~fence:*{lock:app:*');
  const request = attempt(`app:${newName()}`, claim && { claim });
  await grant(adapter, request);
  expect(await adapter.release(request)).toBe('released');
});

it('a refusal that passes is not kept: replicas that become primaries vote for a shared lock', async () => {
  const servers = rig.servers.slice(0, 3);
  const [main, ...replicas] = servers as [(typeof servers)[0], ...typeof servers];
  for (const server of replicas) await server.command('REPLICAOF', rig.servers[3]!.host, rig.servers[3]!.port);
  const adapter = await rig.adapter({}, [main, ...replicas]);
  const shared = () => attempt(newName(), { claim: { mode: 'shared' } });
  try {
    await expect(adapter.tryAcquire(shared())).rejects.toEqual(refusal('READONLY'));
  } finally {
    for (const server of replicas) await server.command('REPLICAOF', 'NO', 'ONE');
  }
  await grant(adapter, shared());
});

it('H130: wrong passwords on a majority are told with the words of the server', async () => {
  const clients = rig.servers.slice(0, 3).map(({ host, port }, i) => {
    const wrong = { username: 'nobody', password: 'wrong' };
    const client = new Redis({ host, port, ...(i === 0 ? {} : wrong) });
    client.on('error', () => {});
    return client;
  });
  opened.push(...clients);
  const error = (await redlockAdapter(clients)
    .tryAcquire(attempt(newName()))
    .catch((failure) => failure)) as LockError;
  expect(error).toEqual(refusal('WRONGPASS'));
  expect(error.message).not.toContain('does not answer');
});

it('H130: replicas on a majority are told as such', async () => {
  const [one, two, three] = rig.servers as [(typeof rig.servers)[0], (typeof rig.servers)[0], (typeof rig.servers)[0]];
  const adapter = await rig.adapter({}, [one, two, three]);
  await grant(adapter, attempt(newName()));
  for (const server of [two, three]) await server.command('REPLICAOF', rig.servers[3]!.host, rig.servers[3]!.port);
  try {
    await expect(adapter.tryAcquire(attempt(newName()))).rejects.toEqual(refusal('READONLY'));
  } finally {
    for (const server of [two, three]) await server.command('REPLICAOF', 'NO', 'ONE');
  }
});

it.each(['ioredis', 'node-redis'] as const)(
  'H130: our own %s clients leave a replica, since a new connection may lead to its primary',
  async (kind) => {
    const replica = rig.servers[kind === 'ioredis' ? 0 : 1]!;
    for (const fencing of [true, false]) {
      const adapter = await rig.adapter({ fencing }, rig.servers.slice(0, 3));
      await grant(adapter, attempt(newName()));
      await replica.command('REPLICAOF', rig.servers[3]!.host, rig.servers[3]!.port);
      const once = await idsOf(replica);
      // Those that stay: the command itself has a connection too.
      const seen = (await idsOf(replica)).filter((id) => once.includes(id));
      try {
        await until(`the ${kind} client leaves`, async () => {
          const outcome = await adapter.tryAcquire(attempt(newName()));
          expect(outcome.status).toBe('granted');
          const now = await idsOf(replica);
          return seen.some((id) => !now.includes(id));
        });
      } finally {
        await replica.command('REPLICAOF', 'NO', 'ONE');
      }
    }
  },
);

it('H130: a node of a Redis Cluster is refused by its kind', async () => {
  const cluster = await startRedisCluster();
  const clients = cluster.nodes.slice(0, 3).map(({ host, port }) => new Redis({ host, port }));
  opened.push(...clients);
  await expect(redlockAdapter(clients).tryAcquire(attempt(newName()))).rejects.toEqual(
    lockError('LOCK_INVALID_ARGUMENT', { message: expect.stringContaining('cluster') }),
  );
  await cluster.stop();
});

it('H25: data of another type on a majority is LOCK_FOREIGN_KEY and left untouched; on a minority it does not matter', async () => {
  const adapter = await rig.adapter();
  const key = newName();
  const spoil = (i: number) => rig.servers[i]!.command('LPUSH', `lock:${key}`, 'data');
  await Promise.all([spoil(0), spoil(1)]);
  const request = attempt(key);
  await grant(adapter, request);
  expect(await adapter.release(request)).toBe('released');
  await spoil(2);
  await expect(adapter.tryAcquire(attempt(key))).rejects.toEqual(lockError('LOCK_FOREIGN_KEY', { retryable: false }));
  await expect(adapter.inspect?.(key)).rejects.toEqual(lockError('LOCK_FOREIGN_KEY'));
  expect(await rig.servers[2]!.command('LRANGE', `lock:${key}`, 0, -1)).toEqual(['data']);
});

/** The connections that a server has. */
async function idsOf(server: (typeof rig.servers)[0]): Promise<string[]> {
  const list = String(await server.command('CLIENT', 'LIST'));
  return [...list.matchAll(/^id=(\d+)/gm)].map(([, id]) => id!);
}
