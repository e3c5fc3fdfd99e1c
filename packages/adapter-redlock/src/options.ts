import { LockError } from '@holdfast/lock-core';
import type { RedisClientBinding } from '@holdfast/redis-protocol';

/** Options of the Redlock adapter. */
export interface RedlockOptions {
  /**
   * What begins the key of every lock, default `lock:`. Not empty, no braces, and not `fence:`, where the fencing tokens are.
   * All clients of a lock need the same one.
   */
  readonly prefix?: string | undefined;
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
  nodes: readonly RedisClientBinding[],
  options: RedlockOptions,
): { readonly prefix: string | undefined; readonly nodeTimeoutMs: number } {
  const { prefix, nodeTimeoutMs = 500 } = options;
  if (!Array.isArray(nodes) || nodes.length < 1 || nodes.length > mostNodes) {
    throw refused(
      `Redlock takes 1 to ${mostNodes} nodes, best 3 or 5, got ${Array.isArray(nodes) ? nodes.length : nodes}.`,
    );
  }
  for (const [i, node] of nodes.entries()) {
    if (typeof node?.call !== 'function' || typeof node.openSubscriber !== 'function') {
      throw refused(
        `Redlock node ${i + 1} is not a client binding: pass ioredisBinding(client) of @holdfast/adapter-ioredis or ` +
          'nodeRedisBinding(client) of @holdfast/adapter-node-redis.',
      );
    }
    if (node.cluster) {
      throw refused(`Redlock node ${i + 1} is a Redis Cluster, which is no single node: pass a client of one server.`);
    }
  }
  if (!Number.isSafeInteger(nodeTimeoutMs) || nodeTimeoutMs < 1) {
    throw refused(`The option nodeTimeoutMs must be a whole number of ms, 1 or more, got ${String(nodeTimeoutMs)}.`);
  }
  return { prefix, nodeTimeoutMs };
}

function refused(message: string): LockError {
  return new LockError('LOCK_INVALID_ARGUMENT', message);
}
