import { createRequire } from 'node:module';
import type { Redis } from 'ioredis';
import { connectIoredis } from './redis-clients.ts';
import type { RivalName, Subject } from './subject.ts';

const ttlMs = 30_000;
const tunedDelayMs = 1;

/** One attempt of a library with all its retries; `undefined` when it gave up because the lock was busy. */
type Take = (key: string) => Promise<(() => Promise<unknown>) | undefined>;

/**
 * Another library on ioredis and one Redis: with its own defaults and a TTL of 30 s, or tuned to ask again every millisecond for as long
 * as it takes.
 */
export async function rivalSubject(library: RivalName, tuned: boolean, port: number): Promise<Subject> {
  const client = connectIoredis('ioredis 6', port);
  await client.ping();
  const take = await makers[library](client, tuned);
  let gaveUp = 0;

  return {
    async cycle(key) {
      const release = await take(`${library}:${key}`);
      if (release === undefined) throw new Error(`The key ${key} was not free.`);
      await release();
    },
    waiter: async (key) => async () => {
      for (;;) {
        const release = await take(`${library}:${key}`);
        if (release !== undefined) return { release };
        gaveUp += 1;
      }
    },
    takeErrors() {
      const count = gaveUp;
      gaveUp = 0;
      return count;
    },
    async close() {
      client.disconnect();
    },
  };
}

/** Permits of the semaphores of `redis-semaphore`, with its defaults but for the TTL and the time that a waiter has. */
export async function redisSemaphoreSubject(port: number, limit: number): Promise<Subject> {
  const client = connectIoredis('ioredis 6', port);
  await client.ping();
  const { Semaphore } = await import('redis-semaphore');
  const take = async (key: string) => {
    const semaphore = new Semaphore(client, key, limit, { lockTimeout: ttlMs, acquireTimeout: 600_000 });
    await semaphore.acquire();
    return semaphore;
  };
  return {
    async cycle(key) {
      const semaphore = await take(key);
      await semaphore.release();
    },
    waiter: async (key) => async () => {
      const semaphore = await take(key);
      return { release: () => semaphore.release() };
    },
    async close() {
      client.disconnect();
    },
  };
}

const makers: Readonly<Record<RivalName, (client: Redis, tuned: boolean) => Promise<Take>>> = {
  async 'redis-semaphore'(client, tuned) {
    const { Mutex, TimeoutError } = await import('redis-semaphore');
    const retry = tuned ? { retryInterval: tunedDelayMs, acquireTimeout: 600_000 } : {};
    return async (key) => {
      const mutex = new Mutex(client, key, { lockTimeout: ttlMs, ...retry });
      const acquired = await unlessBusy(
        mutex.acquire().then(() => true),
        (error) => error instanceof TimeoutError,
      );
      return acquired ? () => mutex.release() : undefined;
    };
  },

  async redlock(client, tuned) {
    const { default: Redlock, ExecutionError } = createRequire(import.meta.url)('redlock') as RedlockPackage;
    const settings = tuned ? { retryCount: -1, retryDelay: tunedDelayMs, retryJitter: tunedDelayMs } : {};
    const redlock = new Redlock([client], settings);
    return async (key) => {
      const lock = await unlessBusy(redlock.acquire([key], ttlMs), (error) => error instanceof ExecutionError);
      return lock && (() => lock.release());
    };
  },

  async 'redlock-universal'(client, tuned) {
    // It does not load on Node 20.
    const { createLock, IoredisAdapter, LockAcquisitionError } = await import('redlock-universal');
    const adapter = new IoredisAdapter(client as never);
    const retry = tuned ? { retryAttempts: 1_000_000, retryDelay: tunedDelayMs } : {};
    return async (key) => {
      const lock = createLock({ adapter, key, ttl: ttlMs, ...retry });
      const handle = await unlessBusy(lock.acquire(), (error) => error instanceof LockAcquisitionError);
      return handle && (() => lock.release(handle));
    };
  },

  async '@verrou/core'(client, tuned) {
    const { Verrou } = await import('@verrou/core');
    const { redisStore } = await import('@verrou/core/drivers/redis');
    const verrou = new Verrou({ default: 'redis', stores: { redis: { driver: redisStore({ connection: client }) } } });
    const options = tuned ? { retry: { delay: tunedDelayMs } } : {};
    return async (key) => {
      const lock = verrou.createLock(key, ttlMs);
      return (await lock.acquire(options)) ? () => lock.release() : undefined;
    };
  },
};

interface RedlockPackage {
  readonly default: new (
    clients: readonly Redis[],
    settings: { retryCount?: number; retryDelay?: number; retryJitter?: number },
  ) => { acquire(keys: string[], ttlMs: number): Promise<{ release(): Promise<unknown> }> };
  readonly ExecutionError: new (...args: never[]) => Error;
}

async function unlessBusy<T>(taken: Promise<T>, isBusy: (error: unknown) => boolean): Promise<T | undefined> {
  try {
    return await taken;
  } catch (error) {
    if (isBusy(error)) return undefined;
    throw error;
  }
}
