export type { RedisLockOptions, RedisTarget } from '@holdfast/redis-protocol';
export { ioredisAdapter } from './adapter.ts';
export { ioredisBinding } from './binding.ts';
export type { IoredisClient, IoredisCluster } from './client.ts';
export { connectIoredis, openIoredis } from './open.ts';
