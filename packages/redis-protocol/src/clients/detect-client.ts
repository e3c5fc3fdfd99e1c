import type { RedisClientBinding } from '../redis-client.ts';
import { ioredisBinding } from './ioredis.ts';
import type { IoredisClient } from './ioredis-client.ts';
import { nodeRedisBinding } from './node-redis.ts';
import type { NodeRedisClient } from './node-redis-client.ts';

/** A client of one Redis server, of either library, or a binding of it. */
export type AnyRedisClient = RedisClientBinding | IoredisClient | NodeRedisClient;

/**
 * The binding of a client of either library, told by its shape, so that none of them need be loaded; a binding is given
 * back as it is, and `undefined` for anything else.
 */
export function bindRedisClient(client: unknown): RedisClientBinding | undefined {
  if (typeof client !== 'object' || client === null) return undefined;
  const has = (name: string, type: string): boolean => typeof (client as Record<string, unknown>)[name] === type;
  if (has('call', 'function') && has('openSubscriber', 'function')) return client as RedisClientBinding;
  if (has('call', 'function') && has('status', 'string')) return ioredisBinding(client as IoredisClient);
  if (has('sendCommand', 'function') && has('isOpen', 'boolean')) return nodeRedisBinding(client as NodeRedisClient);
  return undefined;
}
