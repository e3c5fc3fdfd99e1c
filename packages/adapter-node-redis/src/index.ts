export type { RedisLockOptions, RedisTarget } from '@holdfast/redis-protocol';
export { nodeRedisAdapter } from './adapter.ts';
export { nodeRedisBinding } from './binding.ts';
export type {
  AnyNodeRedis,
  MessageListener,
  NodeRedisClient,
  NodeRedisCluster,
  NodeRedisSentinel,
  NodeSender,
} from './client.ts';
export { connectNodeRedis, openNodeRedis } from './open.ts';
