import type { LockAdapter } from '@holdfast/lock-core';
import {
  type IoredisClient,
  type IoredisCluster,
  ioredisBinding,
  type RedisLockOptions,
  redisLockAdapter,
} from '@holdfast/redis-protocol';

/**
 * A lock adapter over an ioredis `Redis` (single server or Sentinel) or `Cluster`. The client stays yours: closing the
 * adapter closes only the subscription connection that it opened for itself.
 * @throws LockError LOCK_INVALID_ARGUMENT for a bad option.
 */
export function ioredisAdapter(client: IoredisClient | IoredisCluster, options: RedisLockOptions = {}): LockAdapter {
  return redisLockAdapter(ioredisBinding(client), options);
}
