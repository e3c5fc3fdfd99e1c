import { LockError } from '@holdfast/lock-core';

/** Options of the Redis adapters. */
export interface RedisLockOptions {
  /**
   * What begins the key of every lock, default `lock:`. Locks of applications that share a server want different ones.
   * Not empty, no braces, and not `fence:`, where the fencing tokens are.
   */
  readonly prefix?: string | undefined;
  /**
   * Fencing tokens, default true. False leaves no key of tokens; then nothing stops a writer whose lease has run out.
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
  // WAIT with 0 would wait for ever.
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

/**
 * Refuses options that are no object or have an unknown name: a misspelt option would silently mean its default.
 * @throws LockError LOCK_INVALID_ARGUMENT
 */
export function checkOptionNames(options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new LockError('LOCK_INVALID_ARGUMENT', `The options must be an object, got ${describeValue(options)}.`);
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const near = known.find((each) => distance(name.toLowerCase(), each.toLowerCase()) <= 2);
    throw new LockError(
      'LOCK_INVALID_ARGUMENT',
      `There is no option ${JSON.stringify(name)}${near === undefined ? '' : `; did you mean ${JSON.stringify(near)}?`} ` +
        `The options are ${known.join(', ')}.`,
    );
  }
}

const describeValue = (value: unknown): string =>
  value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`;

/** The Levenshtein distance of two short words. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
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
