export { redisLockAdapter } from './adapter.ts';
export type { RedisClientBinding, RedisSubscriber, SubscriberEvents } from './binding.ts';
export { type AnyRedisClient, bindRedisClient } from './clients/bind.ts';
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
export { type LockKeys, lockKeys } from './keys.ts';
export type { RedisLockOptions } from './options.ts';
export { type ClientEvents, readyGate } from './ready.ts';
export { evalScript, type LuaScript, luaScript, readRunId, runScript } from './script.ts';
export { hashSlot } from './slot.ts';
export type { RedisTarget } from './target.ts';
