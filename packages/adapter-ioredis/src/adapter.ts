import type { LockAdapter } from '@holdfast/lock-core';
import {
  type IoredisClient,
  type IoredisCluster,
  ioredisBinding,
  type RedisLockOptions,
  redisLockAdapter,
} from '@holdfast/redis-protocol';

/**
 * Creates a lock adapter for an ioredis `Redis` (single server or Sentinel) or `Cluster`. The client remains yours: closing the adapter
 * closes only the connection for subscriptions that the adapter opened itself.
 * @throws LockError LOCK_INVALID_ARGUMENT for an invalid option, or for anything but an ioredis client
 */
export function ioredisAdapter(client: IoredisClient | IoredisCluster, options: RedisLockOptions = {}): LockAdapter {
  return redisLockAdapter(ioredisBinding(client), options);
}
