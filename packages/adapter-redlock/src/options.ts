import { LockError } from '@holdfast/lock-core';
import {
  type AnyRedisClient,
  bindRedisClient,
  checkOptionNames,
  type RedisClientBinding,
} from '@holdfast/redis-protocol';
import { majorityOf } from './protocol/node.ts';

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
  /**
   * How many nodes have to grant permits of a semaphore, from a majority to all; default as few as are sound for its limit. With a number
   * the limits for which it is too few are refused, so that `nodes - permitQuorum` nodes may be down.
   */
  readonly permitQuorum?: number | undefined;
}

const mostNodes = 9;

const known = ['prefix', 'fencing', 'nodeTimeoutMs', 'permitQuorum'];

/** The nodes and the options with their defaults. */
export interface RedlockSettings {
  readonly clients: readonly RedisClientBinding[];
  readonly prefix: string;
  readonly fencing: boolean;
  readonly nodeTimeoutMs: number;
  readonly permitQuorum: number | undefined;
}

/** Checks the nodes and the options, and fills in the defaults. */
export function redlockSettings(clients: readonly AnyRedisClient[], options: RedlockOptions): RedlockSettings {
  checkOptionNames(options, known);
  const { prefix = 'lock:', fencing = true, nodeTimeoutMs = 500, permitQuorum } = options;
  if (typeof fencing !== 'boolean') throw refused(`The option fencing must be true or false, got ${String(fencing)}.`);
  if (!Number.isSafeInteger(nodeTimeoutMs) || nodeTimeoutMs < 1) {
    throw refused(`The option nodeTimeoutMs must be a whole number of ms, 1 or more, got ${String(nodeTimeoutMs)}.`);
  }
  const checked = bindings(clients);
  const [fewest, most] = [majorityOf(checked.length), checked.length];
  const isQuorum = Number.isSafeInteger(permitQuorum) && fewest <= permitQuorum! && permitQuorum! <= most;
  if (permitQuorum !== undefined && !isQuorum) {
    throw refused(
      `The option permitQuorum must be a whole number from ${fewest}, a majority of the nodes, to ${most}, all of them, ` +
        `got ${String(permitQuorum)}.`,
    );
  }
  return { clients: checked, prefix, fencing, nodeTimeoutMs, permitQuorum };
}

function bindings(clients: readonly AnyRedisClient[]): RedisClientBinding[] {
  if (!Array.isArray(clients)) {
    throw refused(`redlockAdapter takes an array of clients, one per server, got ${kindOf(clients)}.`);
  }
  if (clients.length < 1 || clients.length > mostNodes) {
    throw refused(`Redlock takes 1 to ${mostNodes} nodes, best 3 or 5, got ${clients.length}.`);
  }
  return clients.map((client, i) => {
    const first = clients.indexOf(client);
    if (first !== i)
      throw refused(`Redlock nodes ${first + 1} and ${i + 1} are the same client; each needs a server of its own.`);
    const binding = bindRedisClient(client);
    if (binding === undefined) {
      throw refused(
        `Redlock node ${i + 1} is neither an ioredis nor a node-redis client, but ${kindOf(client)}. ` +
          'Pass one client of one server per node, not a pool, a mock or a URL.',
      );
    }
    if (binding.cluster) {
      throw refused(`Redlock node ${i + 1} is a Redis Cluster, which is no single node: pass a client of one server.`);
    }
    return binding;
  });
}

function kindOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : `a ${typeof value}`;
  const name = value.constructor?.name;
  return name === undefined || name === 'Object' ? 'an object' : `an object of class ${name}`;
}

function refused(message: string): LockError {
  return new LockError('LOCK_INVALID_ARGUMENT', message);
}
