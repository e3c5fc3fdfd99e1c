import { Redis } from 'ioredis';
import { Redis as Redis5 } from 'ioredis-5';
import { createClient, type RedisClientType } from 'redis';
import { createClient as createClient5 } from 'redis-5';

const host = '127.0.0.1';

/** An ioredis client with the library's defaults. */
export function connectIoredis(client: 'ioredis 6' | 'ioredis 5', port: number): Redis {
  // What is used of it here has not changed between the two.
  return client === 'ioredis 6' ? new Redis({ host, port }) : (new Redis5({ host, port }) as unknown as Redis);
}

/** A connected node-redis client with the library's defaults. */
export async function connectNodeRedis(
  client: 'node-redis 6' | 'node-redis 5',
  port: number,
): Promise<RedisClientType> {
  const options = { socket: { host, port } };
  const made = (client === 'node-redis 6'
    ? createClient(options)
    : createClient5(options)) as unknown as RedisClientType;
  made.on('error', () => {});
  await made.connect();
  return made;
}
