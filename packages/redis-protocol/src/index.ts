export { redisLockAdapter } from './adapter.ts';
export { claimWords, isAmongOthers } from './claim.ts';
export type { ClientEvents } from './client-readiness.ts';
export { type ConnectingSignal, connectingSignal } from './clients/connecting-signal.ts';
export { type AnyRedisClient, bindRedisClient } from './clients/detect-client.ts';
export { ioredisBinding } from './clients/ioredis.ts';
export type { IoredisClient, IoredisCluster, IoredisNode, IoredisOptions } from './clients/ioredis-client.ts';
export { ignoreLateSocketErrors } from './clients/late-socket-errors.ts';
export { nodeRedisBinding } from './clients/node-redis.ts';
export type {
  AnyNodeRedis,
  CommandOptions,
  MessageListener,
  NodeRedisClient,
  NodeRedisCluster,
  NodeRedisClusterNode,
  NodeRedisSentinel,
  NodeSender,
} from './clients/node-redis-client.ts';
export { checkTlsOf } from './clients/tls-check.ts';
export { hashSlot } from './cluster-slot.ts';
export { readable } from './errors.ts';
export { type LockKeys, lockKeys } from './keys.ts';
export { checkRedisTarget, type RedisLockOptions, type RedisTarget } from './options.ts';
export type { RedisClientBinding, RedisSubscriber, SubscriberEvents } from './redis-client.ts';
export { expectInteger, expectText, integerOf, textOf, unexpectedReply } from './replies.ts';
export {
  evalScript,
  type LuaScript,
  leaveReplica,
  luaScript,
  type MissingRights,
  queueScript,
  readMissingRights,
  readRunId,
  runScript,
} from './scripts.ts';
