import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createLocks } from '@holdfast/lock-core';
import { describe, expect, it } from 'vitest';
import { createClient } from '../src/client.ts';
import { type ClientFactory, openZookeeper, zookeeperAdapter } from '../src/index.ts';
import { until } from './support/clients.ts';
import { useServer } from './support/server.ts';

const zookeeper = useServer({ containers: true });

describe('what stays behind', () => {
  it('H43, H75: 1,000 keys used once leave no node, no watch, no listener and no memory', {
    timeout: 120_000,
  }, async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const heap = (): number => {
      collect();
      return process.memoryUsage().heapUsed;
    };
    const locks = createLocks(zookeeperAdapter({ servers: zookeeper.at }));
    const use = async (from: number, count: number): Promise<void> => {
      for (let i = from; i < from + count; i += 50) {
        await Promise.all(Array.from({ length: 50 }, (_, j) => locks.using(`once-${i + j}`, () => {})));
      }
    };
    await use(0, 200);
    const before = heap();
    await use(200, 1_000);
    const grownBytes = heap() - before;
    expect(grownBytes).toBeLessThan(1_000_000);
    await until('the containers are gone', async () => (await zookeeper.raw.children('/locks')).length === 0, 60_000);
    expect(await zookeeper.server.fourLetter('wchs')).toContain('Total watches:0');
    await locks.close();
    expect(await zookeeper.server.fourLetter('dump')).toMatch(/ephemerals \(0\)/i);
  });

  it('a key that is new costs one round trip more: its own node and that of the owner are sent together', async () => {
    const steps: string[] = [];
    const clientFactory: ClientFactory = (server, options) => {
      const client = createClient(server, options);
      const create = client.create.bind(client);
      client.create = (path, data, acls, mode, done) => {
        const what = path.endsWith('-') ? 'owner' : 'key';
        steps.push(`${what} sent`);
        create(path, data, acls, mode, (error, created) => {
          steps.push(`${what} answered`);
          done(error, created);
        });
      };
      return client;
    };
    await using locks = createLocks(zookeeperAdapter({ servers: zookeeper.at, clientFactory }));
    await locks.using('root-is-there', () => {});
    steps.length = 0;
    await locks.using('new', () => {});
    const rounds = ['owner sent', 'owner answered', 'key sent', 'owner sent', 'key answered', 'owner answered'];
    expect(steps).toEqual(rounds);
  });

  it('H75: the parent is removed again and again while the lock is asked for', async () => {
    await using locks = createLocks(zookeeperAdapter({ servers: zookeeper.at }));
    let stop = false;
    const removing = (async () => {
      while (!stop) {
        await zookeeper.raw.remove('/locks/parent').catch(() => {});
        // Without a pause it would remove every parent before a child can be made.
        await sleep(2);
      }
    })();
    try {
      for (let i = 0; i < 30; i++) {
        await Promise.all([locks.using('parent', () => {}), locks.using('parent', () => {})]);
      }
    } finally {
      stop = true;
      await removing;
    }
  });

  it.each([
    ['a request that it does not know', { type: 99, mode: undefined }],
    ['a kind of node that it does not know', { type: undefined, mode: 6 }],
  ])('H75: an old server that refuses containers as %s gets persistent parents', async (_, { type, mode }) => {
    // A request for a container goes out as one that this server refuses, as an old one would that for the container.
    const clientFactory: ClientFactory = (address, options) => {
      const client = createClient(address, options);
      const { create, connectionManager: manager } = client;
      client.create = (path, data, acls, kind, done) =>
        create.call(client, path, data, acls, kind === 4 ? (mode ?? kind) : kind, done);
      const { queue } = manager;
      manager.queue = (request, done) => {
        const { toBuffer } = request;
        request.toBuffer = () => {
          const bytes = toBuffer.call(request);
          // A create that is to answer the stat, and one of a container.
          if ([15, 19].includes(bytes.readInt32BE(8))) bytes.writeInt32BE(type ?? 99, 8);
          return bytes;
        };
        queue.call(manager, request, done);
      };
      return client;
    };
    const prefix = `/old-${type ?? mode}/locks`;
    await using locks = createLocks(zookeeperAdapter({ servers: zookeeper.at, prefix, clientFactory }));
    await locks.using('key', () => {});
    await locks.using('other', async (lock) => {
      expect(lock.fencingToken).toBe((await locks.inspect('other'))?.fencingToken);
      await lock.renew();
    });
    expect((await zookeeper.raw.children(prefix)).sort()).toEqual(['key', 'other']);
    expect(await zookeeper.raw.ownerOf(`${prefix}/key`)).toBe('0'.repeat(16));
  });
});

describe('where the nodes are', () => {
  it('a chroot and a prefix, made when they are missing, from options and from the connection string', async () => {
    await using one = createLocks(zookeeperAdapter({ servers: zookeeper.at, chroot: '/app/a', prefix: '/l' }));
    await using two = createLocks(zookeeperAdapter({ servers: `${zookeeper.at}/app/a`, prefix: '/l' }));
    await using three = createLocks(
      openZookeeper({ servers: zookeeper.at, chroot: '/app/b', options: { prefix: '/l' } }),
    );
    const lock = await one.acquire('invoice:42/1');
    expect(await zookeeper.raw.children('/app/a/l')).toEqual(['invoice:42%2F1']);
    expect(await two.tryAcquire('invoice:42/1')).toBeUndefined();
    await three.using('invoice:42/1', () => {});
    await lock.release();
  });

  it('H25: a key whose node holds something else is LOCK_FOREIGN_KEY, and stays as it is', async () => {
    await using locks = createLocks(zookeeperAdapter({ servers: zookeeper.at, prefix: '/data' }));
    await zookeeper.raw.create('/data');
    await zookeeper.raw.create('/data/config');
    await zookeeper.raw.create('/data/config/colour');
    await zookeeper.raw.create('/data/leaf', 1);
    await zookeeper.raw.create('/data/log');
    const line = await zookeeper.raw.create('/data/log/line-', 2, 'kept');
    for (const key of ['config', 'leaf', 'log']) {
      await expect(locks.acquire(key)).rejects.toMatchObject({ code: 'LOCK_FOREIGN_KEY', retryable: false });
      await expect(locks.tryAcquire(key)).rejects.toMatchObject({ code: 'LOCK_FOREIGN_KEY', key });
    }
    await expect(locks.inspect('config')).rejects.toMatchObject({ code: 'LOCK_FOREIGN_KEY' });
    expect(await zookeeper.raw.children('/data/config')).toEqual(['colour']);
    // A sequence number makes no contender of a node that no session owns.
    await expect(locks.acquire('log', { mode: 'shared' })).rejects.toMatchObject({ code: 'LOCK_FOREIGN_KEY' });
    await expect(locks.inspect('log')).rejects.toMatchObject({ code: 'LOCK_FOREIGN_KEY' });
    await expect(locks.forceRelease('log')).rejects.toMatchObject({ code: 'LOCK_FOREIGN_KEY' });
    await until('only the data is left', async () => (await zookeeper.raw.children('/data/log')).length === 1);
    expect(await zookeeper.raw.ownerOf(line)).toBe('0'.repeat(16));
    await zookeeper.raw.remove('/data/leaf');
  });
});

describe('who may use them', () => {
  const auth = { scheme: 'digest', credentials: 'alice:secret-of-alice' };
  const denied = { code: 'LOCK_BACKEND', retryable: false };

  it('with `auth` the nodes are the creator’s: others are refused for good, and no error tells the password', async () => {
    const adapter = zookeeperAdapter({ servers: zookeeper.at, prefix: '/private', auth });
    await using owner = createLocks(adapter);
    await using friend = createLocks(zookeeperAdapter({ servers: zookeeper.at, prefix: '/private', auth }));
    const lock = await owner.acquire('mine');
    expect(await friend.tryAcquire('mine')).toBeUndefined();
    await expect(zookeeper.raw.children('/private/mine')).rejects.toMatchObject({ code: -102 });
    const credentials = 'mallory:secret-of-mallory';
    const strangers = [undefined, { scheme: 'digest', credentials }].map(async (other) => {
      const stranger = zookeeperAdapter({ servers: zookeeper.at, prefix: '/private', auth: other });
      const request = {
        key: 'theirs',
        owner: 'c'.repeat(32),
        ttlMs: 1_000,
        tokens: 1,
        signal: new AbortController().signal,
      };
      const calls = [
        stranger.tryAcquire({ ...request, key: 'mine' }),
        stranger.tryAcquire(request),
        stranger.enqueue!({ ...request, key: 'mine', owner: 'd'.repeat(32) }, request.signal),
        stranger.inspect!('mine'),
        stranger.forceRelease!('mine'),
      ];
      for (const outcome of await Promise.allSettled(calls)) {
        expect(outcome).toMatchObject({ status: 'rejected', reason: denied });
        const { reason } = outcome as PromiseRejectedResult;
        expect(`${reason.message}${reason.stack}${String(reason.cause)}`).not.toContain('secret');
      }
      const locks = createLocks(stranger);
      await expect(locks.acquire('mine')).rejects.toMatchObject(denied);
      await locks.close();
    });
    await Promise.all(strangers);
    const waiting = friend.acquire('mine');
    await until('it is queued', async () => (await owner.inspect('mine'))?.waiters === 1);
    expect(await lock.release()).toBe('released');
    await (await waiting).release();
  });

  it('a scheme that the server does not know is refused for good, at every call', async () => {
    await using locks = createLocks(
      zookeeperAdapter({ servers: zookeeper.at, auth: { scheme: 'nosuch', credentials: 'secret' }, acl: 'open' }),
    );
    for (let i = 0; i < 2; i++) await expect(locks.acquire('refused')).rejects.toMatchObject(denied);
  });

  it('an ACL of one’s own, and one that the server cannot accept', async () => {
    const acl = [
      { permissions: 31, scheme: 'world', id: 'anyone' },
      { permissions: 1, scheme: 'ip', id: '127.0.0.1' },
    ];
    await using locks = createLocks(zookeeperAdapter({ servers: zookeeper.at, prefix: '/listed', acl }));
    await locks.using('key', () => {});
    await using nobody = createLocks(zookeeperAdapter({ servers: zookeeper.at, prefix: '/nobody', acl: 'creator' }));
    await expect(nobody.acquire('key')).rejects.toMatchObject(denied);
  });
});
