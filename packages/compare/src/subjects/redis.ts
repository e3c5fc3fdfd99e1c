import { ioredisAdapter } from '@holdfast/adapter-ioredis';
import type { Redis } from 'ioredis';
import { locksSubject, permitsSubject, sharedSubject } from './locks.ts';
import { packageOf } from './packages.ts';
import { connectIoredis, connectNodeRedis } from './redis-clients.ts';
import { inBatches, type RedisClientName, type Subject, type SubjectSpec } from './subject.ts';

const ttlMs = 30_000;
const releaseLua = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";
const renewLua =
  "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0";

/** The least that a lock on Redis can be, in the words of the client: what all ratios are to. */
interface RawCalls {
  /** SET key value NX PX; whether it was free. */
  take(key: string, value: string, ttlMs: number): Promise<boolean>;
  script(sha: string, key: string, args: string[]): Promise<unknown>;
  load(lua: string): Promise<string>;
  close(): Promise<unknown>;
}

/** Holdfast on a client of the caller's, as an application would have it. */
export async function redisSubject(spec: SubjectSpec & { readonly kind: 'redis' }): Promise<Subject> {
  const { client, port, fencing, strict, before } = spec;
  const { createLocks: create } = await packageOf(before, 'lock-core', () => import('@holdfast/lock-core'));
  const options = strict ? { localRun: { count: 0 } } : undefined;
  if (client === 'ioredis 6' || client === 'ioredis 5') {
    const connection = await connectedIoredis(client, port);
    const of = await packageOf(before, 'adapter-ioredis', () => import('@holdfast/adapter-ioredis'));
    const closeClient = () => connection.disconnect();
    return locksSubject(of.ioredisAdapter(connection, { fencing }), { options, create, closeClient });
  }
  const connection = await connectNodeRedis(client, port);
  const of = await packageOf(before, 'adapter-node-redis', () => import('@holdfast/adapter-node-redis'));
  const closeClient = () => connection.destroy();
  return locksSubject(of.nodeRedisAdapter(connection, { fencing }), { options, create, closeClient });
}

async function connectedIoredis(client: 'ioredis 6' | 'ioredis 5', port: number): Promise<Redis> {
  const connection = connectIoredis(client, port);
  await connection.ping();
  return connection;
}

/** Permits of Holdfast's semaphores on ioredis. */
export async function redisPermitsSubject(port: number, limit: number): Promise<Subject> {
  const connection = await connectedIoredis('ioredis 6', port);
  return permitsSubject(ioredisAdapter(connection), limit, () => connection.disconnect());
}

/** Holdfast's shared locks on ioredis. */
export async function redisSharedSubject(port: number): Promise<Subject> {
  const connection = await connectedIoredis('ioredis 6', port);
  return sharedSubject(ioredisAdapter(connection), () => connection.disconnect());
}

/** SET NX PX and EVALSHA by hand. */
export async function rawRedisSubject(client: RedisClientName, port: number): Promise<Subject> {
  const raw =
    client === 'ioredis 6' || client === 'ioredis 5' ? rawIoredis(client, port) : await rawNodeRedis(client, port);
  const [release, renew] = await Promise.all([raw.load(releaseLua), raw.load(renewLua)]);
  let count = 0;

  async function take(key: string, value: string, ttlMs: number): Promise<void> {
    if (!(await raw.take(key, value, ttlMs))) throw new Error(`The key ${key} was not free.`);
  }

  return {
    async cycle(key) {
      count += 1;
      const value = `owner-${count}`;
      await take(key, value, ttlMs);
      if ((await raw.script(release, key, [value])) !== 1) throw new Error(`The key ${key} was lost.`);
    },
    async hold(keys, ttlMs) {
      const lost = new Set<string>();
      const timers = await inBatches(keys, async (key) => {
        await take(key, key, ttlMs);
        return setInterval(() => {
          raw.script(renew, key, [key, String(ttlMs)]).then(
            (reply) => reply === 1 || lost.add(key),
            () => lost.add(key),
          );
        }, ttlMs / 3);
      });
      return async () => {
        for (const timer of timers) clearInterval(timer);
        await inBatches(keys, async (key) => {
          if ((await raw.script(release, key, [key]).catch(() => undefined)) !== 1) lost.add(key);
        });
        return lost.size;
      };
    },
    async close() {
      await raw.close();
    },
  };
}

function rawIoredis(client: 'ioredis 6' | 'ioredis 5', port: number): RawCalls {
  const connection = connectIoredis(client, port);
  return {
    take: async (key, value, ttlMs) => (await connection.set(key, value, 'PX', ttlMs, 'NX')) === 'OK',
    script: (sha, key, args) => connection.evalsha(sha, 1, key, ...args),
    load: async (lua) => String(await connection.script('LOAD', lua)),
    close: async () => connection.disconnect(),
  };
}

async function rawNodeRedis(client: 'node-redis 6' | 'node-redis 5', port: number): Promise<RawCalls> {
  const connection = await connectNodeRedis(client, port);
  return {
    take: async (key, value, ttlMs) => (await connection.set(key, value, { PX: ttlMs, NX: true })) === 'OK',
    script: (sha, key, args) => connection.evalSha(sha, { keys: [key], arguments: args }),
    load: (lua) => connection.scriptLoad(lua),
    close: async () => connection.destroy(),
  };
}
