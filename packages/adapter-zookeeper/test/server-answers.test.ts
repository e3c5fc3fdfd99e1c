import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { createLocks, type LockError } from '@holdfast/lock-core';
import { startRedis, startZookeeper, startZookeeperEnsemble } from '@holdfast/testbed';
import { describe, expect, it } from 'vitest';
import { createClient } from '../src/client.ts';
import { type ClientFactory, explainAnswer, zookeeperAdapter } from '../src/index.ts';
import { attempt } from './support/attempt.ts';
import { rawClient, until } from './support/clients.ts';
import { answerRelay } from './support/relay.ts';
import { useServer } from './support/server.ts';

const zookeeper = useServer();
const refused = (words: string, remedy: string) => ({
  code: 'LOCK_BACKEND',
  retryable: false,
  message: expect.stringMatching(new RegExp(`${words}.*${remedy}`)),
});

// Those that the library names and others, of every meaning: also such as contradict what was done.
const errorCodes = [
  ...[-1, -2, -3, -4, -6, -7, -8, -12, -77, -100, -101, -102, -103, -108, -110, -111, -112, -113, -114, -115],
  ...[-118, -119, -120, -121, -122, -124, -125, -127, -200, -124_000, 5],
];

// Each may be an answer that is wrong although the request was carried out, or not carried out although it was.
const contradictions = [-4, -6, -101, -102, -108, -110, -111, -112, -115];

/** Only answers to requests have a number from 0. */
const isReply = (frame: Buffer): boolean => frame.length >= 20 && frame.readInt32BE(4) >= 0;

describe('an answer that the client library does not know fails its own request', () => {
  it('a quota that is used up costs no connection and delays no other key (H127)', async () => {
    await using server = await startZookeeper({ config: ['enforceQuota=true'] });
    const at = `127.0.0.1:${server.port}`;
    let connections = 0;
    const clientFactory: ClientFactory = (address, options) => {
      connections += 1;
      return createClient(address, options);
    };
    await using locks = createLocks(zookeeperAdapter({ servers: at, clientFactory }));
    await using raw = await rawClient(at);
    await locks.using('batch', () => {});
    const held = await locks.acquire('held');
    const quota = '/zookeeper/quota/locks/batch';
    for (const path of ['/zookeeper/quota/locks', quota]) await raw.create(path);
    await raw.create(`${quota}/zookeeper_limits`, 0, 'count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=1');
    await raw.create(`${quota}/zookeeper_stats`, 0, 'count=1,bytes=0');
    const calls = Array.from({ length: 20 }, async (_, i) => {
      await expect(locks.acquire('batch')).rejects.toMatchObject(refused('QUOTA_EXCEEDED \\(-125\\)', 'setquota'));
      await locks.using(`order-${i}`, () => {});
    });
    await Promise.all(calls);
    await held.renew();
    expect(connections).toBe(1);
    expect(await held.release()).toBe('released');
  });

  it('enforced authentication is refused at once without credentials, and works with them (H130)', async () => {
    const config = ['enforce.auth.enabled=true', 'enforce.auth.schemes=digest'];
    await using server = await startZookeeper({ config });
    const servers = `127.0.0.1:${server.port}`;
    await using locks = createLocks(zookeeperAdapter({ servers }));
    for (let i = 0; i < 3; i += 1) {
      await expect(locks.acquire('any')).rejects.toMatchObject(refused('REQUIRE_SASL_AUTH \\(-124\\)', 'enforce.auth'));
    }
    const auth = { scheme: 'digest', credentials: 'user:secret' };
    await using known = createLocks(zookeeperAdapter({ servers, auth }));
    await known.using('any', () => {});
  });

  it('a local session that may not be upgraded is refused at once, with the remedy (H130)', {
    timeout: 60_000,
  }, async () => {
    await using ensemble = await startZookeeperEnsemble(1, { config: ['localSessionsEnabled=true'] });
    await using locks = createLocks(zookeeperAdapter({ servers: ensemble.connectionString }));
    for (const key of ['a', 'b']) {
      await expect(locks.acquire(key)).rejects.toMatchObject(
        refused('EPHEMERAL_ON_LOCAL_SESSION \\(-120\\)', 'localSessionsUpgradingEnabled'),
      );
    }
  });

  it('error codes put in at random: every call ends, no connection is lost, and nothing stays behind (H127)', async () => {
    const seed = Math.trunc(performance.now() * 1_000) % 1_000_000;
    const random = randomFrom(seed);
    let faulty = false;
    await using relay = await answerRelay(zookeeper.server.port, (frame) => {
      if (faulty && isReply(frame) && random() < 0.2)
        frame.writeInt32BE(errorCodes[Math.floor(random() * errorCodes.length)] as number, 16);
    });
    const adapter = zookeeperAdapter({ servers: relay.at, sessionTimeoutMs: 60_000 });
    const locks = createLocks(adapter, { backendTimeoutMs: 10_000, ttlMs: 20_000 });
    const elsewhere = await locks.acquire('elsewhere');
    faulty = true;
    let granted = 0;
    const work = Array.from({ length: 60 }, async (_, i) => {
      const lock = await locks.acquire(`random-${i % 5}`, { waitMs: 10_000 }).catch(() => undefined);
      if (lock !== undefined) granted += 1;
      await lock?.release();
    });
    await Promise.all(work);
    faulty = false;
    expect(granted, `seed ${seed}`).toBeGreaterThan(10);
    for (let i = 0; i < 5; i += 1) {
      await until(
        `no node is left (seed ${seed})`,
        async () => (await zookeeper.raw.children(`/locks/random-${i}`)).length === 0,
      );
    }
    expect(relay.made, `seed ${seed}`).toBe(1);
    expect(await elsewhere.release()).toBe('released');
    await locks.close();
  });

  it('one wrong error code, at each answer in turn: no grant without a node, and no node without a grant (H127)', async () => {
    let countdown = 0;
    let wrong = 0;
    await using relay = await answerRelay(zookeeper.server.port, (frame) => {
      if (!isReply(frame)) return;
      countdown -= 1;
      if (countdown === 0) frame.writeInt32BE(wrong, 16);
    });
    // Its heartbeats are far apart: none of them gets the wrong answer.
    const adapter = zookeeperAdapter({ servers: relay.at, sessionTimeoutMs: 60_000 });
    const elsewhere = attempt('elsewhere-too');
    await adapter.tryAcquire(elsewhere);
    const left = (key: string): Promise<string[]> => zookeeper.raw.children(`/locks/${key}`);
    const work = contradictions.flatMap((code) => [1, 2, 3, 4, 5, 6].map((nth) => ({ code, nth })));
    for (const { code, nth } of work) {
      const what = `code ${code} at answer ${nth}`;
      const request = attempt(`one-${code}`);
      [countdown, wrong] = [nth, code];
      const answer = await adapter.tryAcquire(request).catch((error: LockError) => error);
      if ('status' in answer) expect(await left(request.key), what).toHaveLength(answer.status === 'granted' ? 1 : 0);
      else if (!answer.retryable)
        await until(`${what}: nothing is held`, async () => (await left(request.key)).length === 0);
      // Core repeats a release that has failed.
      while (!(await adapter.release(request).catch(() => undefined)));
      expect(await left(request.key), what).toEqual([]);
      countdown = 0;
    }
    // A renewal is the question to the leader and the look at the node.
    const lost = attempt('lost');
    await adapter.tryAcquire(lost);
    [countdown, wrong] = [2, -101];
    expect(await adapter.renew(lost, 1_000)).toEqual({ status: 'lost' });
    await until('a hold that was reported as lost leaves no node', async () => (await left(lost.key)).length === 0);
    expect(relay.made).toBe(1);
    expect(await adapter.release(elsewhere)).toBe('released');
    await adapter.close!();
  });

  it('an error that a server may answer by itself, cut off from the leader, confirms no hold (H66)', async () => {
    let wrong: number | undefined;
    await using relay = await answerRelay(zookeeper.server.port, (frame) => {
      if (wrong === undefined || !isReply(frame)) return;
      frame.writeInt32BE(wrong, 16);
      wrong = undefined;
    });
    // Its heartbeats are far apart: the first answer is to the question to the leader.
    const adapter = zookeeperAdapter({ servers: relay.at, sessionTimeoutMs: 60_000 });
    const request = attempt('unconfirmed');
    await adapter.tryAcquire(request);
    for (const code of [-1, -6, -8, -101, -110, -114, -124]) {
      wrong = code;
      await expect(adapter.renew(request, 1_000), `code ${code}`).rejects.toMatchObject({ code: 'LOCK_BACKEND' });
    }
    const everyone = { scheme: 'world', id: 'anyone' };
    await zookeeper.raw.setAcl('/', [{ ...everyone, permissions: 30 }]);
    // The leader refuses to look at a root that may not be read: that is an answer of the leader.
    expect(await adapter.renew(request, 1_000)).toMatchObject({ status: 'renewed' });
    await zookeeper.raw.setAcl('/', [{ ...everyone, permissions: 31 }]);
    expect(await adapter.release(request)).toBe('released');
    await adapter.close!();
  });

  it('explains every code that a server may answer', () => {
    for (const code of [-124, -125, -120, -127, -102, -115, -999]) {
      const { name, meaning, remedy } = explainAnswer(code);
      for (const text of [name, meaning, remedy]) expect(text).not.toBe('');
    }
  });
});

describe('a port where another kind of server answers', () => {
  const answers: Record<string, string | Buffer> = {
    HTTP: 'HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n',
    'etcd (HTTP/2)': Buffer.from('000006040000000000000500004000', 'hex'),
    TLS: Buffer.from('15030300020246', 'hex'),
  };
  for (const [kind, answer] of Object.entries(answers)) {
    it(`${kind} is refused at once, with what it said (H130)`, async () => {
      const other = createServer((socket) => socket.on('error', () => {}).once('data', () => socket.end(answer)));
      await once(other.listen(0, '127.0.0.1'), 'listening');
      const { port } = other.address() as AddressInfo;
      await using locks = createLocks(zookeeperAdapter({ servers: `127.0.0.1:${port}` }));
      const error = await locks.acquire('any').catch((reason: Error) => reason);
      expect(error).toMatchObject({ code: 'LOCK_BACKEND', retryable: false });
      expect((error as Error).message).toMatch(kind === 'TLS' ? /TLS/ : /is not a ZooKeeper server: it answered/);
      other.close();
    });
  }

  it('Redis is refused at once, and beside a server of ZooKeeper it is passed over (H130)', async () => {
    await using redis = await startRedis();
    const other = `127.0.0.1:${redis.port}`;
    await using alone = createLocks(zookeeperAdapter({ servers: other }));
    const began = performance.now();
    const error = await alone.acquire('any').catch((reason: Error) => reason);
    expect(error).toMatchObject({ code: 'LOCK_BACKEND', retryable: false });
    expect((error as Error).message).toMatch(/is not a ZooKeeper server: it answered "-ERR/);
    expect(performance.now() - began).toBeLessThan(10_000);
    for (let i = 0; i < 4; i += 1) {
      await using both = createLocks(zookeeperAdapter({ servers: `${other},${zookeeper.at}` }));
      await both.using('any', () => {});
    }
  });
});

it('a refused port is named, with the reason of each server', async () => {
  const adapter = zookeeperAdapter({ servers: '127.0.0.1:1,no-such-host.invalid:2181' });
  const error = await adapter.tryAcquire(attempt('down')).catch((reason: Error) => reason);
  expect(error).toMatchObject({ code: 'LOCK_BACKEND', retryable: true });
  expect((error as Error).message).toContain('127.0.0.1:1 refused the connection (ECONNREFUSED)');
  await adapter.close!();
});

it('what a factory makes must be a client of the library', async () => {
  for (const wrong of [undefined, {}, { connectionManager: {} }]) {
    const adapter = zookeeperAdapter({ servers: zookeeper.at, clientFactory: () => wrong as never });
    await expect(adapter.inspect!('any')).rejects.toMatchObject({ code: 'LOCK_INVALID_ARGUMENT', retryable: false });
    await adapter.close!();
  }
});

/** A sequence of numbers below 1 from a seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
