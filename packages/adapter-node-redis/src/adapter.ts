import type { LockAdapter } from '@holdfast/lock-core';
import { type AnyNodeRedis, nodeRedisBinding, type RedisLockOptions, redisLockAdapter } from '@holdfast/redis-protocol';

/**
 * Creates a lock adapter for a node-redis client, cluster or sentinel. The application connects it, before or after this call. The
 * client remains yours: closing the adapter closes only the connections that the adapter opened for subscriptions.
 * @throws LockError LOCK_INVALID_ARGUMENT for an invalid option, or for anything but a node-redis client
 */
export function nodeRedisAdapter(client: AnyNodeRedis, options: RedisLockOptions = {}): LockAdapter {
  return redisLockAdapter(nodeRedisBinding(client), options);
}
