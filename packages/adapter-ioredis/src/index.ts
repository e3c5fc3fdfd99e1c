export type { IoredisClient, IoredisCluster, RedisLockOptions, RedisTarget } from '@holdfast/redis-protocol';
export { ioredisBinding } from '@holdfast/redis-protocol';
export { ioredisAdapter } from './adapter.ts';
export { connectIoredis, ioredisAdapterFactory, openIoredis } from './open.ts';
