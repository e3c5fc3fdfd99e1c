export { redisLockAdapter } from './adapter.ts';
export type { ClientEvents } from './client-readiness.ts';
export { type AnyRedisClient, bindRedisClient } from './clients/detect-client.ts';
export { ioredisBinding } from './clients/ioredis.ts';
export type { IoredisClient, IoredisCluster } from './clients/ioredis-client.ts';
export { nodeRedisBinding } from './clients/node-redis.ts';
export type {
  AnyNodeRedis,
  CommandOptions,
  MessageListener,
  NodeRedisClient,
  NodeRedisCluster,
  NodeRedisSentinel,
  NodeSender,
} from './clients/node-redis-client.ts';
export { hashSlot } from './cluster-slot.ts';
export { type LockKeys, lockKeys } from './keys.ts';
export type { RedisLockOptions, RedisTarget } from './options.ts';
export type { RedisClientBinding, RedisSubscriber, SubscriberEvents } from './redis-client.ts';
export { evalScript, type LuaScript, luaScript, readRunId, runScript } from './scripts.ts';
