import { checkOptionNames, LockError } from '@holdfast/lock-core';
import { type AnyRedisClient, bindRedisClient, type RedisClientBinding } from '@holdfast/redis-protocol';
import { majorityOf } from './protocol/node.ts';

/** Options of the Redlock adapter. */
export interface RedlockOptions {
  /**
   * The beginning of the key of every lock, default `lock:`. All clients of a lock need the same prefix. It must not be empty, contain
   * braces, or overlap with `fence:`, where the fencing tokens are kept.
   */
  readonly prefix?: string | undefined;
  /**
   * Whether locks have fencing tokens, default true. False costs the servers less, since there is no second key and no script to
   * acquire a lock; but nothing stops a writer whose lease has expired.
   */
  readonly fencing?: boolean | undefined;
  /**
   * How long to wait for the answers that are needed for a majority, in ms; default 500, and never more than half of the TTL. Once a
   * majority has answered, the rest are not waited for. A shorter time detects sooner that too many nodes are down; a longer time
   * tolerates slower networks.
   */
  readonly nodeTimeoutMs?: number | undefined;
  /**
   * How many nodes must grant the permits of a semaphore: from a majority to all. Default: the fewest that are safe for the limit. With
   * a number, `nodes - permitQuorum` nodes may always be down, and limits that would need a larger quorum are refused.
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
  // A copy has no holes, which `map` would pass over.
  const nodes = [...clients];
  return nodes.map((client, i) => {
    const first = nodes.indexOf(client);
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
