import { LockError } from '@holdfast/lock-core';
import type { RedisTarget } from '../../redis-target.ts';

/** One connection to one Redis server. */
export interface RedisConnection {
  whenReady(signal: AbortSignal): Promise<void>;
  call(command: string, args: readonly string[]): Promise<unknown>;
  close(): Promise<void>;
}

type Connect = (target: RedisTarget) => RedisConnection;

/** Loads the client library that is installed. @throws LockError LOCK_UNSUPPORTED when there is none. */
export async function loadRedisClient(scheme: string): Promise<Connect> {
  const loaders = [
    ['ioredis', '@holdfast/adapter-ioredis', 'connectIoredis', 'ioredisBinding'],
    ['node-redis', '@holdfast/adapter-node-redis', 'connectNodeRedis', 'nodeRedisBinding'],
  ] as const;
  for (const [name, adapter, connect, bind] of loaders) {
    if (/\+(ioredis|node-redis)$/.test(scheme) && !scheme.endsWith(`+${name}`)) continue;
    try {
      const module: Record<string, (argument: unknown, options?: unknown) => unknown> = await import(adapter);
      return (target) => module[bind]!(module[connect]!(target), { ownsClient: true }) as RedisConnection;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    }
  }
  throw new LockError(
    'LOCK_UNSUPPORTED',
    'No Redis client is installed: npm install @holdfast/adapter-ioredis ioredis   or   npm install @holdfast/adapter-node-redis redis',
  );
}
