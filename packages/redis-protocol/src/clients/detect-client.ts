import type { RedisClientBinding } from '../redis-client.ts';
import { has, looksLikeIoredis, looksLikeNodeRedis } from './client-shapes.ts';
import { ioredisBinding } from './ioredis.ts';
import type { IoredisClient } from './ioredis-client.ts';
import { nodeRedisBinding } from './node-redis.ts';
import type { NodeRedisClient } from './node-redis-client.ts';

/** A client of one Redis server, from ioredis or node-redis, or the binding of one. */
export type AnyRedisClient = RedisClientBinding | IoredisClient | NodeRedisClient;

/**
 * Returns the binding of an ioredis or node-redis client. It recognises the client by its shape, so that neither library has to be
 * loaded. A binding is returned as it is; for anything else, the result is `undefined`.
 */
export function bindRedisClient(client: unknown): RedisClientBinding | undefined {
  if (has(client, { call: 'function', openSubscriber: 'function' })) return client as RedisClientBinding;
  if (looksLikeIoredis(client)) return ioredisBinding(client);
  if (looksLikeNodeRedis(client)) return nodeRedisBinding(client);
  return undefined;
}
