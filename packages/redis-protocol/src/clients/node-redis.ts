import { LockError } from '@holdfast/lock-core';
import { createReadiness } from '../client-readiness.ts';
import type { RedisClientBinding, RedisSubscriber, SubscriberEvents } from '../redis-client.ts';
import {
  looksLikeNodeRedis,
  looksLikeNodeRedisCluster,
  looksLikeNodeRedisSentinel,
  wrongClient,
} from './client-shapes.ts';
import { batchCommands } from './command-batching.ts';
import { connectingSignal } from './connecting-signal.ts';
import { checkListening, leaveMuteConnection, silenceOf } from './dead-connection.ts';
import type { AnyNodeRedis, NodeRedisClient } from './node-redis-client.ts';
import { nodeRedisClusterBinding } from './node-redis-cluster.ts';
import { commandOptions, dropsOf, keepsOptions } from './node-redis-command-options.ts';
import { nodeRedisSentinelBinding } from './node-redis-sentinel.ts';
import { sharedSubscriber } from './shared-subscriber.ts';

const name = 'node-redis';

/**
 * Binds the Redis lock protocol to a node-redis client. The client still belongs to the caller: the binding does not configure it, and
 * `close()` closes it only with `ownsClient`.
 * @throws LockError LOCK_INVALID_ARGUMENT for anything but a node-redis client, cluster or sentinel, and for one with a key prefix
 */
export function nodeRedisBinding(
  client: AnyNodeRedis,
  { ownsClient = false }: { readonly ownsClient?: boolean } = {},
): RedisClientBinding {
  const close = async () => {
    // Not `close`, which waits for a server that may never answer. Nor is the end of it waited for: a sentinel first lets its
    // search for a master end. What is closed already rejects.
    if (ownsClient) (async () => client.destroy())().catch(() => {});
  };
  refuseKeyPrefix(client);
  if (looksLikeNodeRedisCluster(client)) return nodeRedisClusterBinding(client, ownsClient, close);
  if (looksLikeNodeRedisSentinel(client)) return nodeRedisSentinelBinding(client, ownsClient, close);
  if (looksLikeNodeRedis(client)) return singleBinding(client, ownsClient, close);
  throw wrongClient(client, 'node-redis');
}

/** node-redis puts its prefix before the keys of its own methods alone; ioredis before all. Locks of the two would not meet. */
function refuseKeyPrefix(client: unknown): void {
  const { _keyPrefix: prefix } = (client ?? {}) as { _keyPrefix?: unknown };
  if (prefix === undefined || String(prefix) === '') return;
  const example = JSON.stringify(`${String(prefix)}lock:`);
  throw new LockError(
    'LOCK_INVALID_ARGUMENT',
    `The node-redis client has the keyPrefix ${JSON.stringify(String(prefix))}, which it does not put before the keys of the locks. ` +
      `Pass a client without one, and the option prefix ${example} of the adapter.`,
  );
}

function singleBinding(client: NodeRedisClient, ownsClient: boolean, close: () => Promise<void>): RedisClientBinding {
  const options = commandOptions(client, () => keepsOptions(client), 'reconnecting');
  // An application may close its client and connect it again, without a "reconnecting".
  const drops = dropsOf(client, 'reconnecting', 'ready');
  const silence = ownsClient ? silenceOf(client) : undefined;
  const send = (words: string[], busyMs?: number): Promise<unknown> => {
    const answer = client.sendCommand(words, options());
    return silence === undefined ? answer : silence.until(answer, busyMs);
  };
  return {
    name,
    cluster: false,
    keyPrefix: '',
    commandTimeoutMs: client.options?.socket?.socketTimeout,
    resends: 0,
    get ready() {
      if (ownsClient) leaveMuteConnection(client);
      // A client that was never connected refuses commands, which says more than waiting.
      return client.isReady || !client.isOpen;
    },
    whenReady: createReadiness(client, name, 'ready'),
    call: batchCommands((command, args) => send([command, ...args])),
    connectionOf: () => String(drops.count),
    waitReplicas: (_key, replicas, timeoutMs) => send(['wait', String(replicas), String(timeoutMs)], timeoutMs),
    openSubscriber: (events) => openSubscriber(client, events),
    ...(ownsClient && {
      // The server closes the connection after it, and the client makes another one.
      reconnect: () => void client.sendCommand(['quit'], options()).catch(() => {}),
    }),
    close,
  };
}

/** A connection of our own: one that subscribes is good for nothing else under RESP2. */
function openSubscriber(client: NodeRedisClient, events: SubscriberEvents): RedisSubscriber {
  const connecting = connectingSignal();
  const connection = client.duplicate({
    disableOfflineQueue: true,
    commandOptions: undefined,
    socket: {
      ...client.options?.socket,
      signal: connecting.signal,
      // It comes back whatever the application chose for its own connection.
      reconnectStrategy: (retries: number) => Math.min(50 + retries * 50, 1_000),
    },
  });
  const onMessage = (message: unknown, channel: unknown) => events.message(String(channel), String(message));
  connection.on('error', () => {});
  connection.on('ready', () => events.connected());
  // It goes on trying by itself, until it is closed.
  connection.connect().catch(() => {});
  return sharedSubscriber(connection, {
    isReady: () => connection.isReady,
    isOpen: () => connection.isOpen,
    subscribe: (channel) => connection.subscribe(channel, onMessage),
    unsubscribe: (channel) => connection.unsubscribe(channel, onMessage),
    check: () => checkListening(connection),
    close() {
      if (connection.isOpen) connection.destroy();
      // What is destroyed before its socket is up comes up all the same, and would stay indefinitely (H43).
      connecting.abort();
    },
  });
}
