import type { Capabilities } from '@holdfast/lock-core';

/** What a waiter got when its turn came. */
export interface Turn {
  /** The fencing token, where there is one; later turns have higher ones. */
  readonly token?: bigint | undefined;
  release(): Promise<unknown>;
}

/** How waiters for one key differ in what they ask for. */
export type Mix = 'no renewal' | 'two TTLs' | 'shared and exclusive';

/** One way to lock, as a measurement drives it; it lives in a process of its own. */
export interface Subject {
  /** Takes a free lock and gives it back. */
  cycle?(key: string): Promise<unknown>;
  /** The waiter number `index` for a key that others want too; each call of it waits for one turn. */
  waiter?(key: string, index: number, mix?: Mix): Promise<() => Promise<Turn>>;
  /** Takes locks and keeps them by renewal. The function gives them back and answers how many had been lost. */
  hold?(keys: readonly string[], ttlMs: number): Promise<() => Promise<number>>;
  /** How many acquisitions gave up since the last call, although the lock went from hand to hand. */
  takeErrors?(): number;
  /** What the adapter promises, of Holdfast. */
  readonly capabilities?: Capabilities;
  close(): Promise<void>;
}

/** A Redis client and its major version. */
export type RedisClientName = 'ioredis 6' | 'ioredis 5' | 'node-redis 6' | 'node-redis 5';

/** Other libraries that lock on one Redis. */
export type RivalName = 'redis-semaphore' | 'redlock' | 'redlock-universal' | '@verrou/core';

/** What a process has to be told to make a subject. */
export type SubjectSpec = (
  | { readonly kind: 'async-mutex' }
  /** `observed`: somebody listens to the diagnostics channels. */
  | { readonly kind: 'memory'; readonly observed?: boolean }
  | { readonly kind: 'redis raw'; readonly client: RedisClientName; readonly port: number }
  | {
      readonly kind: 'redis';
      readonly client: RedisClientName;
      readonly port: number;
      readonly fencing: boolean;
      /** Strict order over all waiters: no local hand-over. */
      readonly strict?: boolean;
    }
  /** Permits of semaphores with this limit, or shared locks. */
  | { readonly kind: 'redis permits' | 'redis-semaphore permits'; readonly port: number; readonly limit: number }
  | { readonly kind: 'redis shared'; readonly port: number }
  | { readonly kind: 'handoff'; readonly port: number }
  | { readonly kind: 'etcd raw' | 'etcd raw queue' | 'zookeeper raw'; readonly port: number }
  /** `strict`: as above. */
  | { readonly kind: 'etcd' | 'zookeeper'; readonly port: number; readonly strict?: boolean }
  | {
      readonly kind: 'postgres raw' | 'postgres advisory loop' | 'postgres advisory transaction' | 'postgres';
      readonly port: number;
    }
  | { readonly kind: 'redlock package' | 'redlock raw'; readonly ports: readonly number[] }
  | { readonly kind: 'redlock'; readonly ports: readonly number[]; readonly fencing?: boolean }
  | { readonly kind: 'rival'; readonly library: RivalName; readonly tuned: boolean; readonly port: number }
) & {
  /** The folder of a built worktree of an earlier commit, whose packages to use instead of these. */
  readonly before?: string | undefined;
};

/** Runs `step` for each item, at most `width` at a time: a client is not to be flooded with 10,000 calls at once. */
export async function inBatches<T, R>(
  items: readonly T[],
  step: (item: T) => Promise<R>,
  width: number = 200,
): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += width) {
    results.push(...(await Promise.all(items.slice(at, at + width).map(step))));
  }
  return results;
}
