export { type RedisGroup, type RedisOptions, type RedisServer, startRedis, startRedisNodes } from './redis.ts';
export type { ServerProcess } from './server-process.ts';
