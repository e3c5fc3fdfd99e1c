import { setTimeout as sleep } from 'node:timers/promises';
import { type LockAdapter, LockError } from '@holdfast/lock-core';
import {
  type AnyNodeRedis,
  type ConnectingSignal,
  checkRedisTarget,
  checkTlsOf,
  connectingSignal,
  nodeRedisBinding,
  type RedisLockOptions,
  type RedisTarget,
  redisLockAdapter,
} from '@holdfast/redis-protocol';
import { createClient, createCluster, createSentinel, type RedisClientOptions } from 'redis';

const backoffMs = (retries: number): number => Math.min(50 + retries * 50, 1_000);

/** When a connection is made again: as the caller says, and never once the client is closed, which forgets those of subscriptions. */
function reconnectUntil(closing: ConnectingSignal, { options }: RedisTarget<RedisClientOptions>) {
  const chosen = options?.socket?.reconnectStrategy ?? backoffMs;
  return (retries: number, cause: Error) => {
    if (closing.aborted) return new Error('The client was closed.');
    return typeof chosen === 'function' ? chosen(retries, cause) : chosen;
  };
}

/**
 * Creates an adapter with a client of its own, which `close()` closes at once, even if the server is down. The client connects in the
 * background, so a server that is down is reported by the first request for a lock.
 * @throws LockError LOCK_INVALID_ARGUMENT for an invalid target or option
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

/** Creates only the client of `openNodeRedis`, which is connecting, for `nodeRedisBinding(client, { ownsClient: true })`. */
export function connectNodeRedis(target: RedisTarget<RedisClientOptions>): AnyNodeRedis {
  checkRedisTarget(target);
  const closing = connectingSignal();
  const client = create(target, closing);
  // node-redis ends the process for a connection error that nobody listens to.
  client.on('error', () => {});
  checkTlsOf(client, 'node-redis', { nodes: target.nodes, tls: Boolean(target.options?.socket?.tls ?? target.tls) });
  const destroy = client.destroy.bind(client);
  client.destroy = () => {
    const ended = client.isOpen ? destroy() : undefined;
    // It forgets connections that are not up yet, and those by which a cluster or a sentinel looks for servers; they would
    // keep the process alive, indefinitely where nobody answers (H43).
    closing.abort();
    return ended;
  };
  if (target.kind === 'single') client.connect().catch(() => {});
  else void connectAgain(client, closing);
  return client;
}

/** Connects a cluster or sentinels, which give up when no server answers, again and again until the client is closed. */
async function connectAgain(client: AnyNodeRedis, closing: ConnectingSignal): Promise<void> {
  for (let retries = 0; !closing.aborted; retries += 1) {
    const connected = client.connect().then(
      () => true,
      () => false,
    );
    if (await connected) return;
    await sleep(backoffMs(retries), undefined, { signal: closing.signal }).catch(() => {});
  }
}

function create(target: RedisTarget<RedisClientOptions>, closing: ConnectingSignal): AnyNodeRedis {
  const first = target.nodes[0]!;
  const { username, password, db = 0, tls, options } = target;
  // Node's sockets end with the signal; node-redis hands all of this on to them.
  const socket = {
    // Read for each client that a cluster or a sentinel makes.
    get signal() {
      return connectingSignal(closing).signal;
    },
    ...(tls ? { tls: true as const } : {}),
    ...options?.socket,
    reconnectStrategy: reconnectUntil(closing, target),
  };
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
      // The socket of a server: sentinels are on the same network, and speak TLS where the servers do.
      sentinelClientOptions: { socket } as object,
      nodeClientOptions: { ...connection, socket } as object,
      nodeAddressMap() {
        // Asked before each connection, which a signal that has gone off does not prevent.
        closing.signal.throwIfAborted();
        return undefined;
      },
    });
  }
  if (db !== 0) throw new LockError('LOCK_INVALID_ARGUMENT', `A Redis Cluster has only database 0, not ${db}.`);
  return createCluster({
    rootNodes: target.nodes.map(({ host, port }) => ({ socket: { host, port } })),
    defaults: { ...connection, socket } as object,
  });
}

/** For bundled applications: `openLocks(url, { adapters: [nodeRedisAdapterFactory] })`. */
export const nodeRedisAdapterFactory: { readonly name: 'node-redis'; readonly open: typeof openNodeRedis } = {
  name: 'node-redis',
  open: openNodeRedis,
};
