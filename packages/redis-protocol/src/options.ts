import { checkOptionNames, LockError } from '@holdfast/lock-core';

/** Options of the Redis adapters. */
export interface RedisLockOptions {
  /**
   * The beginning of the key of every lock, default `lock:`. Applications that share a server should use different prefixes. It must
   * not be empty, contain braces, or overlap with `fence:`, where the fencing tokens are kept.
   */
  readonly prefix?: string | undefined;
  /**
   * Whether locks have fencing tokens, default true. With false, no keys of tokens are kept, and nothing stops a writer whose lease has
   * expired.
   */
  readonly fencing?: boolean | undefined;
  /**
   * How many replicas must have the lock before it counts as granted, default 0. More replicas survive more failovers, but cost a
   * round trip, and all locks are busy while too few replicas answer. This narrows the gap of a failover; it does not close it.
   */
  readonly waitReplicas?: number | undefined;
  /** How long to wait for those replicas, in ms; default 100. Other commands on the connection are delayed for as long. */
  readonly waitReplicasTimeoutMs?: number | undefined;
}

/** The options with their defaults. */
export interface RedisLockSettings {
  readonly prefix: string;
  readonly fencing: boolean;
  readonly waitReplicas: number;
  readonly waitReplicasTimeoutMs: number;
}

const optionNames = ['prefix', 'fencing', 'waitReplicas', 'waitReplicasTimeoutMs'];

/**
 * Checks the options and fills in the defaults. `commandTimeoutMs` is after how long the client itself gives up on a command.
 * @throws LockError LOCK_INVALID_ARGUMENT
 */
export function redisLockSettings(options: RedisLockOptions, commandTimeoutMs?: number): RedisLockSettings {
  checkOptionNames(options, optionNames);
  const { prefix = 'lock:', fencing = true, waitReplicas = 0, waitReplicasTimeoutMs = 100 } = options;
  if (typeof fencing !== 'boolean') throw refused('fencing must be true or false', fencing);
  if (!Number.isSafeInteger(waitReplicas) || waitReplicas < 0) {
    throw refused('waitReplicas must be a whole number, 0 or more', waitReplicas);
  }
  // WAIT with 0 has no time-out.
  if (!Number.isSafeInteger(waitReplicasTimeoutMs) || waitReplicasTimeoutMs < 1) {
    throw refused('waitReplicasTimeoutMs must be a whole number of ms, 1 or more', waitReplicasTimeoutMs);
  }
  if (waitReplicas > 0 && commandTimeoutMs !== undefined && commandTimeoutMs <= waitReplicasTimeoutMs) {
    throw new LockError(
      'LOCK_INVALID_ARGUMENT',
      `The client gives up on a command after ${commandTimeoutMs} ms, before waitReplicasTimeoutMs (${waitReplicasTimeoutMs} ms) ` +
        'is over. Raise the commandTimeout or socketTimeout of the client, or lower waitReplicasTimeoutMs.',
    );
  }
  return { prefix, fencing, waitReplicas, waitReplicasTimeoutMs };
}

const describeValue = (value: unknown): string =>
  value === null || value === undefined ? String(value) : Array.isArray(value) ? 'an array' : `a ${typeof value}`;

function refused(rule: string, value: unknown): LockError {
  return new LockError('LOCK_INVALID_ARGUMENT', `The option ${rule}, got ${String(value)}.`);
}

/** A Redis deployment to connect to, for `openIoredis` and `openNodeRedis`. */
export interface RedisTarget<ClientOptions> {
  readonly kind: 'single' | 'cluster' | 'sentinel';
  /** The server, some nodes of the cluster, or the sentinels, depending on `kind`. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** The number of the database, default 0. A cluster has only database 0. */
  readonly db?: number | undefined;
  readonly tls?: boolean | undefined;
  /** The name of the master that the sentinels watch; required for `sentinel`. */
  readonly masterName?: string | undefined;
  /** The client library's own options for a connection to a server. They take precedence over those derived from the other fields. */
  readonly options?: ClientOptions | undefined;
}

const kinds = ['single', 'cluster', 'sentinel'];
const isPort = (port: unknown): boolean =>
  Number.isSafeInteger(port) && (port as number) > 0 && (port as number) < 65_536;

/**
 * Refuses anything that is not a `RedisTarget`. The error does not show the values, since one of them may be a URL with a password.
 * @throws LockError LOCK_INVALID_ARGUMENT
 */
export function checkRedisTarget(target: unknown): void {
  const refuse = (why: string): never => {
    throw new LockError('LOCK_INVALID_ARGUMENT', `${why}: { kind: 'single', nodes: [{ host, port }] }.`);
  };
  if (typeof target !== 'object' || target === null)
    refuse(`The Redis deployment to connect to is an object, not ${describeValue(target)}`);
  const { kind, nodes } = target as { kind?: unknown; nodes?: unknown };
  if (!kinds.includes(kind as string)) refuse(`The kind of a Redis deployment is one of ${kinds.join(', ')}`);
  if (!Array.isArray(nodes) || nodes.length === 0) refuse('There is no Redis node to connect to; nodes is an array');
  for (const node of nodes as { host?: unknown; port?: unknown }[]) {
    if (typeof node?.host === 'string' && node.host !== '' && isPort(node.port)) continue;
    refuse('Each Redis node has a host, which is a string, and a port, which is a number from 1 to 65535');
  }
}
