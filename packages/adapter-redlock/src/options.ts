import { LockError } from '@holdfast/lock-core';
import { type AnyRedisClient, bindRedisClient, type RedisClientBinding } from '@holdfast/redis-protocol';

/** Options of the Redlock adapter. */
export interface RedlockOptions {
  /**
   * What begins the key of every lock, default `lock:`. Not empty, no braces, and not `fence:`, where the fencing tokens are.
   * All clients of a lock need the same one.
   */
  readonly prefix?: string | undefined;
  /**
   * Fencing tokens, default true. False leaves no second key and costs the servers less, without a script to acquire; then
   * nothing stops a writer whose lease has run out.
   */
  readonly fencing?: boolean | undefined;
  /**
   * How long to wait in ms for answers without which there is no majority, default 500, and never more than half of the
   * TTL. A majority that answers is never kept waiting for the rest. Shorter finds out sooner that too many nodes are down;
   * longer copes with slower networks.
   */
  readonly nodeTimeoutMs?: number | undefined;
}

const mostNodes = 9;

/** Checks the nodes and the options, and fills in the defaults. */
export function redlockSettings(
  clients: readonly AnyRedisClient[],
  options: RedlockOptions,
): {
  readonly nodes: readonly RedisClientBinding[];
  readonly prefix: string | undefined;
  readonly fencing: boolean;
  readonly nodeTimeoutMs: number;
} {
  const { prefix, fencing = true, nodeTimeoutMs = 500 } = options;
  if (!Array.isArray(clients) || clients.length < 1 || clients.length > mostNodes) {
    throw refused(
      `Redlock takes 1 to ${mostNodes} nodes, best 3 or 5, got ${Array.isArray(clients) ? clients.length : clients}.`,
    );
  }
  const nodes: RedisClientBinding[] = [];
  for (const [i, client] of clients.entries()) {
    const node = bindRedisClient(client);
    if (node === undefined) throw refused(`Redlock node ${i + 1} is neither an ioredis nor a node-redis client.`);
    nodes.push(node);
    if (node.cluster) {
      throw refused(`Redlock node ${i + 1} is a Redis Cluster, which is no single node: pass a client of one server.`);
    }
  }
  if (typeof fencing !== 'boolean') throw refused(`The option fencing must be true or false, got ${String(fencing)}.`);
  if (!Number.isSafeInteger(nodeTimeoutMs) || nodeTimeoutMs < 1) {
    throw refused(`The option nodeTimeoutMs must be a whole number of ms, 1 or more, got ${String(nodeTimeoutMs)}.`);
  }
  return { nodes, prefix, fencing, nodeTimeoutMs };
}

function refused(message: string): LockError {
  return new LockError('LOCK_INVALID_ARGUMENT', message);
}
