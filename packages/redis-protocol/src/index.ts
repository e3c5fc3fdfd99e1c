export { redisLockAdapter } from './adapter.ts';
export type { RedisClientBinding, RedisSubscriber, SubscriberEvents } from './binding.ts';
export { type LockKeys, lockKeys } from './keys.ts';
export type { RedisLockOptions } from './options.ts';
export { type ClientEvents, readyGate } from './ready.ts';
export { type LuaScript, luaScript, readRunId, runScript } from './script.ts';
export { hashSlot } from './slot.ts';
export type { RedisTarget } from './target.ts';
