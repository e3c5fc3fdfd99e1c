import { performance } from 'node:perf_hooks';
import { type LockAdapter, LockError } from '@holdfast/lock-core';
import {
  checkRedisTarget,
  checkTlsOf,
  ignoreLateSocketErrors,
  ioredisBinding,
  type RedisLockOptions,
  type RedisTarget,
  redisLockAdapter,
} from '@holdfast/redis-protocol';
import { Cluster, Redis, type RedisOptions } from 'ioredis';

/** For so long a server may leave a command without an answer before its connection is taken for dead. */
const silentMs = 5_000;

/** Between looks for nodes of a cluster that were lost. */
const lookAgainMs = 1_000;

const retryStrategy = (attempt: number): number => Math.min(attempt * 50, 1_000);

/**
 * Creates an adapter with a client of its own, which `close()` closes at once, even if the server is down. The client connects in the
 * background, so a server that is down is reported by the first request for a lock.
 * @throws LockError LOCK_INVALID_ARGUMENT for an invalid target or option
 */
export function openIoredis(target: RedisTarget<RedisOptions>, options: RedisLockOptions = {}): LockAdapter {
  const { waitReplicasTimeoutMs = 0 } = options;
  // WAIT is silent for as long as it waits.
  const client = connect(target, silentMs + (Number.isSafeInteger(waitReplicasTimeoutMs) ? waitReplicasTimeoutMs : 0));
  try {
    return redisLockAdapter(ioredisBinding(client, { ownsClient: true }), options);
  } catch (error) {
    client.disconnect();
    throw error;
  }
}

/** Creates only the client of `openIoredis`, for `ioredisBinding(client, { ownsClient: true })`. */
export function connectIoredis(target: RedisTarget<RedisOptions>): Redis | Cluster {
  return connect(target, silentMs);
}

function connect(target: RedisTarget<RedisOptions>, socketTimeout: number): Redis | Cluster {
  checkRedisTarget(target);
  const client = createClient(target, socketTimeout);
  // Without a listener ioredis would write each failed attempt to the console.
  client.on('error', () => {});
  if (client instanceof Redis) ignoreLateSocketErrors(client);
  else client.on('+node', ignoreLateSocketErrors);
  checkTlsOf(client, 'ioredis', { nodes: target.nodes, tls: Boolean(target.options?.tls ?? target.tls) });
  return client;
}

function createClient(target: RedisTarget<RedisOptions>, socketTimeout: number): Redis | Cluster {
  const first = target.nodes[0]!;
  const connection: RedisOptions = {
    username: target.username,
    password: target.password,
    db: target.db ?? 0,
    tls: target.tls ? {} : undefined,
    // A command without a connection fails at once, and lock-core decides whether to repeat it: nothing queues up.
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    // It asks for INFO, and prints a warning where that is forbidden. A server that is loading says so to each command.
    enableReadyCheck: false,
    // ioredis 5 takes a connection that breaks while it says its name for ready, and then never makes another one.
    disableClientInfo: true,
    // Closing after a refused connection would keep the process alive that long: ioredis waits for an end that was before.
    disconnectTimeout: 100,
    retryStrategy,
    // TCP would try for minutes to reach a server that has died without a sign, or to pass a firewall that has forgotten the connection.
    socketTimeout,
    keepAlive: silentMs,
    ...target.options,
  };
  if (target.kind === 'single') return new Redis({ ...connection, host: first.host, port: first.port });
  if (target.kind === 'sentinel') {
    if (!target.masterName) throw new LockError('LOCK_INVALID_ARGUMENT', 'Sentinels need the name of their master.');
    return new Redis({
      ...connection,
      sentinels: [...target.nodes],
      name: target.masterName,
      // Without them the master, and the sentinels, would be spoken to in plain text.
      enableTLSForSentinelMode: Boolean(connection.tls),
      ...(connection.tls && { sentinelTLS: connection.tls }),
      sentinelRetryStrategy: retryStrategy,
      // One that accepts and never answers would be waited for for ever, also after the client was closed (H43).
      sentinelCommandTimeout: 2_000,
    });
  }
  if (target.db) throw new LockError('LOCK_INVALID_ARGUMENT', `A Redis Cluster has only database 0, not ${target.db}.`);
  const cluster = new Cluster([...target.nodes], {
    redisOptions: connection,
    clusterRetryStrategy: retryStrategy,
    enableOfflineQueue: connection.enableOfflineQueue ?? false,
  });
  lookForLostNodes(cluster);
  return cluster;
}

/**
 * ioredis forgets a node whose connection has broken until another one names it, over connections that may be as dead. Asking
 * for the slots makes new ones.
 */
function lookForLostNodes(cluster: Cluster): void {
  let lookedAt = Number.NEGATIVE_INFINITY;
  cluster.on('-node', () => {
    const now = performance.now();
    if (cluster.status !== 'ready' || now - lookedAt < lookAgainMs) return;
    lookedAt = now;
    cluster.refreshSlotsCache();
  });
}

/** For bundled applications: `openLocks(url, { adapters: [ioredisAdapterFactory] })`. */
export const ioredisAdapterFactory: { readonly name: 'ioredis'; readonly open: typeof openIoredis } = {
  name: 'ioredis',
  open: openIoredis,
};
