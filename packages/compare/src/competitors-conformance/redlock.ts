import {
  type Capabilities,
  createLocks,
  type Lock,
  type LockAdapter,
  type Locks,
  type LocksOptions,
} from '@holdfast/lock-core';
import { Redis } from 'ioredis';
import type { At } from './redis-semaphore.ts';
import { isRefusal, makeRedlock, type PackageLock } from './redlock-package.ts';

export const redlockCapabilities: Capabilities = {
  fencing: false,
  fairness: 'none',
  expiry: 'ttl',
  wakeup: 'poll',
  survivesFailover: false,
  crossProcess: true,
  ttl: { minMs: 10, granularityMs: 10, maxOvershootMs: 50 },
};

function connect(nodes: readonly At[]): Redis[] {
  return nodes.map((node) => {
    const client = new Redis(node);
    client.on('error', () => {});
    return client;
  });
}

/**
 * The package redlock as an adapter. It draws the owner values itself, so a hold is known by the `Lock` that it gave: the owner that
 * asks again has its lock extended, and a refusal by other holders is told from failures by the votes in its error.
 */
export function redlockPackageAdapter(nodes: readonly At[]): LockAdapter {
  const clients = connect(nodes);
  const redlock = makeRedlock(clients);
  const held = new Map<string, PackageLock>();
  const asked = new Map<string, Promise<PackageLock>>();
  const nameOf = ({ key, owner }: { key: string; owner: string }) => JSON.stringify([key, owner]);
  /** What a refused call comes to; anything but a refusal is unknown. */
  const refused = async <T>(error: unknown, value: T): Promise<T> => {
    if (await isRefusal(error)) return value;
    throw error;
  };
  return {
    name: 'redlock 5.0.0-beta.2',
    capabilities: redlockCapabilities,
    async tryAcquire(attempt) {
      const name = nameOf(attempt);
      const known = held.get(name);
      const calledAt = Date.now();
      try {
        const asking = known ? known.extend(attempt.ttlMs) : redlock.acquire([attempt.key], attempt.ttlMs);
        asked.set(name, asking);
        const lock = await asking;
        held.set(name, lock);
        return { status: 'granted', validForMs: lock.expiration - calledAt };
      } catch (error) {
        return refused(error, { status: 'busy' } as const);
      } finally {
        asked.delete(name);
      }
    },
    async renew(hold, ttlMs) {
      const known = held.get(nameOf(hold));
      const calledAt = Date.now();
      if (!known) return { status: 'lost' };
      try {
        const lock = await known.extend(ttlMs);
        held.set(nameOf(hold), lock);
        return { status: 'renewed', validForMs: lock.expiration - calledAt };
      } catch (error) {
        return refused(error, { status: 'lost' } as const);
      }
    },
    async release(hold) {
      // What is still on its way cannot be withdrawn; it is given back when it has come.
      await asked.get(nameOf(hold))?.catch(() => {});
      const known = held.get(nameOf(hold));
      if (!known) return 'not-held';
      try {
        await known.release();
        held.delete(nameOf(hold));
        return 'released';
      } catch (error) {
        return refused(error, 'not-held' as const);
      }
    },
    async close() {
      for (const client of clients) client.disconnect();
    },
  };
}

/** It extends this much before the end of a lock; so, with `autoRenew: false`, too late. */
const TOO_LATE_MS = -100;
const IN_TIME_MS = 200;

/** lock-core over the adapter, but with the package's own `using`. */
export function withPackageUsing(nodes: readonly At[], adapter: LockAdapter, options: LocksOptions): Locks {
  const clients = connect(nodes);
  const redlock = makeRedlock(clients);
  const locks = createLocks(adapter, options);
  type Asked = { ttlMs?: number; autoRenew?: boolean };
  const using = (key: string, first: Asked | ((lock: Lock) => unknown), body?: (lock: Lock) => unknown) => {
    const [asked, routine] = typeof first === 'function' ? [{}, first] : [first, body!];
    const automaticExtensionThreshold = asked.autoRenew === false ? TOO_LATE_MS : IN_TIME_MS;
    return redlock.using(
      [key],
      asked.ttlMs ?? options.ttlMs ?? 30_000,
      { automaticExtensionThreshold },
      async (signal) => routine({ key, signal } as Lock),
    );
  };
  return {
    ...locks,
    using: using as Locks['using'],
    async close() {
      await locks.close();
      for (const client of clients) client.disconnect();
    },
  };
}
