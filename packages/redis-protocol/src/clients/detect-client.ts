import type { RedisClientBinding } from '../redis-client.ts';
import { has, looksLikeIoredis, looksLikeNodeRedis } from './client-shapes.ts';
import { ioredisBinding } from './ioredis.ts';
import type { IoredisClient } from './ioredis-client.ts';
import { nodeRedisBinding } from './node-redis.ts';
import type { NodeRedisClient } from './node-redis-client.ts';

/** A client of one Redis server, of either library, or a binding of it. */
export type AnyRedisClient = RedisClientBinding | IoredisClient | NodeRedisClient;

/**
 * The binding of a client of either library, recognised by its shape, so that neither need be loaded; a binding is returned
 * as it is, and `undefined` for anything else.
 */
export function bindRedisClient(client: unknown): RedisClientBinding | undefined {
  if (has(client, { call: 'function', openSubscriber: 'function' })) return client as RedisClientBinding;
  if (looksLikeIoredis(client)) return ioredisBinding(client);
  if (looksLikeNodeRedis(client)) return nodeRedisBinding(client);
  return undefined;
}
