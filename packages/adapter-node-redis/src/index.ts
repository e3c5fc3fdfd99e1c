export type {
  AnyNodeRedis,
  NodeRedisClient,
  NodeRedisCluster,
  NodeRedisSentinel,
  RedisLockOptions,
  RedisTarget,
} from '@holdfast/redis-protocol';
export { nodeRedisBinding } from '@holdfast/redis-protocol';
export { nodeRedisAdapter } from './adapter.ts';
export { connectNodeRedis, nodeRedisAdapterFactory, openNodeRedis } from './open.ts';
