import type { Capabilities, LockAdapter } from '@holdfast/lock-core';
import { Redis } from 'ioredis';
import { Mutex } from 'redis-semaphore';

export interface At {
  readonly host: string;
  readonly port: number;
}

export const semaphoreCapabilities: Capabilities = {
  fencing: false,
  fairness: 'none',
  expiry: 'ttl',
  wakeup: 'poll',
  survivesFailover: false,
  crossProcess: true,
  ttl: { minMs: 1, granularityMs: 1, maxOvershootMs: 50 },
};

/** One attempt, and no limit of time but that of the client. */
const ONCE = { acquireAttemptsLimit: 1, acquireTimeout: 600_000, retryInterval: 1 };

/**
 * `Mutex` of redis-semaphore as an adapter, by its documented options: `identifier` is the owner, and `acquiredExternally` is how
 * it prolongs and releases what the same owner took. Its own refresh is off, since lock-core renews.
 */
export function semaphoreAdapter(at: At): LockAdapter {
  const client = new Redis(at);
  client.on('error', () => {});
  const mutex = (key: string, identifier: string, lockTimeout: number, taken: boolean) =>
    new Mutex(client, key, {
      ...ONCE,
      identifier,
      lockTimeout,
      refreshInterval: 0,
      ...(taken && { acquiredExternally: taken }),
    });
  return {
    name: 'redis-semaphore',
    capabilities: semaphoreCapabilities,
    async tryAcquire({ key, owner, ttlMs }) {
      const granted = await mutex(key, owner, ttlMs, false).tryAcquire();
      return granted ? { status: 'granted', validForMs: ttlMs } : { status: 'busy' };
    },
    async renew({ key, owner }, ttlMs) {
      const renewed = await mutex(key, owner, ttlMs, true).tryAcquire();
      return renewed ? { status: 'renewed', validForMs: ttlMs } : { status: 'lost' };
    },
    async release({ key, owner }) {
      await mutex(key, owner, 1, true).release();
      // It does not say whether there was anything to release.
      return 'released';
    },
    async close() {
      client.disconnect();
    },
  };
}

/**
 * The same with the library's own refresh, as applications use it: whether a hold stands is what its `isAcquired` says.
 *
 * @param commandTimeout of the client in ms, default none; the way to have an answer in bounded time
 */
export function selfRefreshingAdapter(at: At, commandTimeout?: number): LockAdapter {
  const client = new Redis({ ...at, ...(commandTimeout !== undefined && { commandTimeout }) });
  client.on('error', () => {});
  const held = new Map<string, Mutex>();
  const nameOf = ({ key, owner }: { key: string; owner: string }) => JSON.stringify([key, owner]);
  return {
    name: 'redis-semaphore',
    capabilities: semaphoreCapabilities,
    async tryAcquire(attempt) {
      const { key, owner, ttlMs } = attempt;
      const mutex = new Mutex(client, key, { ...ONCE, identifier: owner, lockTimeout: ttlMs, onLockLost() {} });
      if (!(await mutex.tryAcquire())) return { status: 'busy' };
      held.set(nameOf(attempt), mutex);
      return { status: 'granted', validForMs: ttlMs };
    },
    async renew(hold, ttlMs) {
      return held.get(nameOf(hold))?.isAcquired ? { status: 'renewed', validForMs: ttlMs } : { status: 'lost' };
    },
    async release(hold) {
      const mutex = held.get(nameOf(hold));
      if (!mutex?.isAcquired) return 'not-held';
      held.delete(nameOf(hold));
      await mutex.release();
      return 'released';
    },
    async close() {
      for (const mutex of held.values()) mutex.stopRefresh();
      client.disconnect();
    },
  };
}
