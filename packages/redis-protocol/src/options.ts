import { LockError } from '@holdfast/lock-core';

/** Options of the Redis adapters. */
export interface RedisLockOptions {
  /**
   * What begins the key of every lock, default `lock:`. Locks of applications that share a server want different ones.
   * Not empty, no braces, and not `fence:`, where the fencing tokens are.
   */
  readonly prefix?: string | undefined;
  /**
   * Fencing tokens, default true. False acquires with the bare `SET key owner NX PX ttl` and leaves no second key; then
   * nothing stops a writer whose lease has run out.
   */
  readonly fencing?: boolean | undefined;
  /**
   * How many replicas must have the lock before it counts as granted, default 0. More survives more failovers, costs a
   * round trip, and makes every lock busy while fewer replicas answer; it narrows the gap of a failover, it does not close it.
   */
  readonly waitReplicas?: number | undefined;
  /** How long to wait for those replicas in ms, default 100. Other commands of the connection wait as long. */
  readonly waitReplicasTimeoutMs?: number | undefined;
}

/** The options with their defaults. */
export interface RedisLockSettings {
  readonly prefix: string;
  readonly fencing: boolean;
  readonly waitReplicas: number;
  readonly waitReplicasTimeoutMs: number;
}

/** Checks the options and fills in the defaults. */
export function redisLockSettings(options: RedisLockOptions): RedisLockSettings {
  const { prefix = 'lock:', fencing = true, waitReplicas = 0, waitReplicasTimeoutMs = 100 } = options;
  if (typeof fencing !== 'boolean') throw refused('fencing must be true or false', fencing);
  if (!Number.isSafeInteger(waitReplicas) || waitReplicas < 0) {
    throw refused('waitReplicas must be a whole number, 0 or more', waitReplicas);
  }
  // WAIT with 0 would wait for ever.
  if (!Number.isSafeInteger(waitReplicasTimeoutMs) || waitReplicasTimeoutMs < 1) {
    throw refused('waitReplicasTimeoutMs must be a whole number of ms, 1 or more', waitReplicasTimeoutMs);
  }
  return { prefix, fencing, waitReplicas, waitReplicasTimeoutMs };
}

function refused(rule: string, value: unknown): LockError {
  return new LockError('LOCK_INVALID_ARGUMENT', `The option ${rule}, got ${String(value)}.`);
}

/** A Redis deployment to connect to, for `openIoredis` and `openNodeRedis`. */
export interface RedisTarget<ClientOptions> {
  readonly kind: 'single' | 'cluster' | 'sentinel';
  /** The server; some nodes of the cluster; the sentinels. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Database number, default 0; a cluster has only 0. */
  readonly db?: number | undefined;
  readonly tls?: boolean | undefined;
  /** The name of the master that the sentinels watch; needed for `sentinel`. */
  readonly masterName?: string | undefined;
  /** The client library's own options for a connection to a server, over those that are made from the rest. */
  readonly options?: ClientOptions | undefined;
}
