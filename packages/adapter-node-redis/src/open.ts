import { type LockAdapter, LockError } from '@holdfast/lock-core';
import {
  type AnyNodeRedis,
  nodeRedisBinding,
  type RedisLockOptions,
  type RedisTarget,
  redisLockAdapter,
} from '@holdfast/redis-protocol';
import { createClient, createCluster, createSentinel, type RedisClientOptions } from 'redis';

const reconnectStrategy = (retries: number): number => Math.min(50 + retries * 50, 1_000);

/**
 * Connects to a Redis deployment and makes an adapter that owns the client: `close()` closes it too, at once, the server
 * being up or not. Connecting goes on in the background; a server that is down shows when a lock is asked for.
 * @throws LockError LOCK_INVALID_ARGUMENT for a target or an option that makes no sense.
 */
export function openNodeRedis(target: RedisTarget<RedisClientOptions>, options: RedisLockOptions = {}): LockAdapter {
  const client = connectNodeRedis(target);
  const binding = nodeRedisBinding(client, { ownsClient: true });
  try {
    return redisLockAdapter(binding, options);
  } catch (error) {
    binding.close().catch(() => {});
    throw error;
  }
}

/** The client of `openNodeRedis` by itself, connecting, for `nodeRedisBinding(client, { ownsClient: true })`. */
export function connectNodeRedis(target: RedisTarget<RedisClientOptions>): AnyNodeRedis {
  const client = create(target);
  // node-redis ends the process for a connection error that nobody listens to.
  client.on('error', () => {});
  client.connect().catch(() => {});
  return client;
}

function create(target: RedisTarget<RedisClientOptions>): AnyNodeRedis {
  const [first] = target.nodes;
  if (first === undefined) throw new LockError('LOCK_INVALID_ARGUMENT', 'No Redis node to connect to.');
  const { username, password, db = 0, tls, options } = target;
  const socket = { reconnectStrategy, ...(tls ? { tls: true as const } : {}), ...options?.socket };
  const connection = { ...options, username, password, database: db };
  if (target.kind === 'single') {
    return createClient({
      ...connection,
      socket: { ...socket, host: first.host, port: first.port },
    } as RedisClientOptions);
  }
  if (target.kind === 'sentinel') {
    if (!target.masterName) throw new LockError('LOCK_INVALID_ARGUMENT', 'Sentinels need the name of their master.');
    return createSentinel({
      name: target.masterName,
      sentinelRootNodes: [...target.nodes],
      nodeClientOptions: { ...connection, socket } as object,
    });
  }
  if (db !== 0) throw new LockError('LOCK_INVALID_ARGUMENT', `A Redis Cluster has only database 0, not ${db}.`);
  return createCluster({
    rootNodes: target.nodes.map(({ host, port }) => ({ socket: { host, port } })),
    defaults: { ...connection, socket } as object,
  });
}
