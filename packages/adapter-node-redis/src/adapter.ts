import type { LockAdapter } from '@holdfast/lock-core';
import { type AnyNodeRedis, nodeRedisBinding, type RedisLockOptions, redisLockAdapter } from '@holdfast/redis-protocol';

/**
 * A lock adapter over a node-redis client, cluster or sentinel that the application connects, before or after. The client
 * stays yours: closing the adapter closes only what it opened for its subscriptions.
 * @throws LockError LOCK_INVALID_ARGUMENT for a bad option.
 */
export function nodeRedisAdapter(client: AnyNodeRedis, options: RedisLockOptions = {}): LockAdapter {
  return redisLockAdapter(nodeRedisBinding(client), options);
}
