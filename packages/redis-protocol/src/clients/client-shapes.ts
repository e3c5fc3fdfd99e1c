import { LockError } from '@holdfast/lock-core';
import type { IoredisClient, IoredisCluster } from './ioredis-client.ts';
import type { NodeRedisClient, NodeRedisCluster, NodeRedisSentinel } from './node-redis-client.ts';

/** Whether a value has these members, of these types. */
export function has(value: unknown, members: Readonly<Record<string, string>>): boolean {
  if (typeof value !== 'object' || value === null) return false;
  // A mock whose every member is a function fails for the others.
  return Object.entries(members).every(([name, type]) => typeof (value as Record<string, unknown>)[name] === type);
}

/** An ioredis `Redis`. It has a queue of commands, by which ioredis-mock is told apart and refused. */
export function looksLikeIoredis(value: unknown): value is IoredisClient {
  const members = {
    call: 'function',
    status: 'string',
    duplicate: 'function',
    options: 'object',
    commandQueue: 'object',
  };
  return has(value, members);
}

/** An ioredis `Cluster`. */
export function looksLikeIoredisCluster(value: unknown): value is IoredisCluster {
  const members = {
    call: 'function',
    status: 'string',
    nodes: 'function',
    options: 'object',
    connectionPool: 'object',
  };
  return has(value, members);
}

/** A client of node-redis, not a pool. */
export function looksLikeNodeRedis(value: unknown): value is NodeRedisClient {
  const members = {
    sendCommand: 'function',
    isOpen: 'boolean',
    isReady: 'boolean',
    duplicate: 'function',
    subscribe: 'function',
  };
  return has(value, members) && !looksLikeNodeRedisCluster(value) && !looksLikeNodeRedisSentinel(value);
}

/** A cluster of node-redis. */
export function looksLikeNodeRedisCluster(value: unknown): value is NodeRedisCluster {
  return has(value, { sendCommand: 'function', isOpen: 'boolean', sSubscribe: 'function', nodeClient: 'function' });
}

/** A sentinel client of node-redis. */
export function looksLikeNodeRedisSentinel(value: unknown): value is NodeRedisSentinel {
  return has(value, { sendCommand: 'function', isOpen: 'boolean', _execute: 'function', getMasterNode: 'function' });
}

/** What to say about something that is no client of the wanted library. */
export function wrongClient(client: unknown, wanted: 'ioredis' | 'node-redis'): LockError {
  const needed = wanted === 'ioredis' ? 'an ioredis Redis or Cluster' : 'a node-redis client, cluster or sentinel';
  return new LockError(
    'LOCK_INVALID_ARGUMENT',
    `The ${wanted} adapter needs ${needed}, got ${describe(client, wanted)}.`,
  );
}

function describe(client: unknown, wanted: 'ioredis' | 'node-redis'): string {
  if (client === null || client === undefined) return String(client);
  // A URL may hold a password.
  if (typeof client === 'string' || client instanceof URL)
    return 'a URL or text: make a client of it, or use openLocks(url)';
  if (typeof (client as { then?: unknown }).then === 'function') return 'a promise: await it first';
  if (wanted === 'node-redis' && (looksLikeIoredis(client) || looksLikeIoredisCluster(client))) {
    return 'an ioredis client: use ioredisAdapter of @holdfast/adapter-ioredis';
  }
  if (
    wanted === 'ioredis' &&
    (looksLikeNodeRedis(client) || looksLikeNodeRedisCluster(client) || looksLikeNodeRedisSentinel(client))
  ) {
    return 'a node-redis client: use nodeRedisAdapter of @holdfast/adapter-node-redis';
  }
  const looksLikePool = ['execute', 'acquire', 'use', 'borrow'].some((name) => has(client, { [name]: 'function' }));
  if (looksLikePool)
    return 'what looks like a pool: pass one client, since locks and their subscriptions need a connection that stays';
  const type = (client as object).constructor?.name ?? 'object';
  return typeof client === 'object' ? `an object of type ${type}, which is not such a client` : `a ${typeof client}`;
}
