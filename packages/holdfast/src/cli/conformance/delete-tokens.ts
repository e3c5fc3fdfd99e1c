import type { LockAdapter } from '@holdfast/lock-core';
import { parseLockUrl } from '../../lock-url.ts';
import { redisTarget } from '../../redis-target.ts';
import { loadRedisClient, type RedisConnection } from '../doctor/redis-client.ts';
import { addressesOf } from './addresses.ts';

/** What every key of the suite, or of a stress run, contains; so do the Redis keys of its lock. */
const unique = /(?:LK-\d{4}|stress-[\w-]*?)-[0-9a-f]{16,}-\d+/g;

/** Records the keys that are requested from a client. */
export function noteKeys(adapter: LockAdapter, noted: Set<string>): LockAdapter {
  const note = (key: string): void => {
    for (const [text] of key.matchAll(unique)) noted.add(text);
  };
  const { tryAcquire, enqueue, inspect } = adapter;
  adapter.tryAcquire = (attempt) => {
    note(attempt.key);
    return tryAcquire.call(adapter, attempt);
  };
  if (enqueue !== undefined) {
    adapter.enqueue = (attempt, signal) => {
      note(attempt.key);
      return enqueue.call(adapter, attempt, signal);
    };
  }
  if (inspect !== undefined) {
    adapter.inspect = (key) => {
      note(key);
      return inspect.call(adapter, key);
    };
  }
  return adapter;
}

/** The part of a client's binding that is needed here; with `callMaster` on a cluster. */
interface Redis extends RedisConnection {
  call(command: string, args: readonly string[], key?: string): Promise<unknown>;
  callMaster?(index: number, command: string, args: readonly string[]): Promise<unknown> | undefined;
}

/**
 * Deletes the fencing tokens of the recorded keys on every server of a Redis URL, where they would stay for 30 days. A server that does
 * not answer keeps them. The locks themselves were released.
 */
export async function deleteTokens(url: string, noted: ReadonlySet<string>): Promise<void> {
  const parsed = parseLockUrl(url);
  if (!/^redi(s|ss|lock)\b/.test(parsed.scheme) || noted.size === 0) return;
  const connect = await loadRedisClient(parsed.scheme);
  for (const target of targetsOf(url)) {
    const redis = connect(target) as Redis;
    try {
      await redis.whenReady(AbortSignal.timeout(5_000));
      for (let master = 0; await deleteOnMaster(redis, master, noted); master += 1);
    } catch {
      // This only cleans up: the result of the suite does not depend on it.
    } finally {
      await redis.close();
    }
  }
}

/** The deployment that a URL names; of Redlock each of its servers. */
function targetsOf(url: string): ReturnType<typeof redisTarget>[] {
  const parsed = parseLockUrl(url);
  if (!parsed.scheme.startsWith('redlock')) return [redisTarget(parsed)];
  const { username, password, params } = parsed;
  const tls = params.get('tls') === 'true';
  const rest = { kind: 'single', username, password, db: undefined, tls, masterName: undefined } as const;
  return addressesOf(url).map((node) => ({ ...rest, nodes: [node] }));
}

/** False if there is no such master. */
async function deleteOnMaster(redis: Redis, master: number, noted: ReadonlySet<string>): Promise<boolean> {
  if (redis.callMaster === undefined && master > 0) return false;
  for (let cursor = '0'; ; ) {
    const args = [cursor, 'MATCH', '*fence:*', 'COUNT', '1000'];
    const page = redis.callMaster ? redis.callMaster(master, 'SCAN', args) : redis.call('SCAN', args);
    if (page === undefined) return false;
    const [next, keys] = (await page) as [string, string[]];
    const ours = keys.filter((key) => [...key.matchAll(unique)].some(([text]) => noted.has(text)));
    await Promise.all(ours.map((key) => redis.call('DEL', [key], key)));
    cursor = String(next);
    if (cursor === '0') return true;
  }
}
