import { setTimeout as sleep } from 'node:timers/promises';
import type { Locks } from 'holdfast';

/** A cache that all servers share; asking it takes a moment, as over a network. */
export interface Cache {
  get(key: string): Promise<string | undefined>;
  set(key: string, value: string): Promise<void>;
}

export function openCache(): Cache {
  const values = new Map<string, string>();
  return {
    async get(key) {
      await sleep(1);
      return values.get(key);
    },
    async set(key, value) {
      await sleep(1);
      values.set(key, value);
    },
  };
}

/** Without a lock: everybody who misses loads. */
export async function getOrLoad(cache: Cache, key: string, load: () => Promise<string>): Promise<string> {
  const cached = await cache.get(key);
  if (cached !== undefined) return cached;
  const value = await load();
  await cache.set(key, value);
  return value;
}

/**
 * Under a lock: who misses asks for it, and looks again when it has it, since another may have loaded meanwhile. The lock is of
 * this key only; a hit asks for none. A load that fails fails for its caller; the next one tries.
 */
export async function getOrLoadOnce(
  locks: Locks,
  cache: Cache,
  key: string,
  load: () => Promise<string>,
): Promise<string> {
  const cached = await cache.get(key);
  if (cached !== undefined) return cached;
  return locks.using(`load:${key}`, () => getOrLoad(cache, key, load));
}
