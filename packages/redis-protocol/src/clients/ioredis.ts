import { createReadiness } from '../client-readiness.ts';
import { hashSlot } from '../cluster-slot.ts';
import type { RedisClientBinding, RedisSubscriber, SubscriberEvents } from '../redis-client.ts';
import type { IoredisClient, IoredisCluster } from './ioredis-client.ts';

const name = 'ioredis';

// A write to the socket costs about as much as making this many commands.
const groupSize = 8;
// A command with so many arguments is worth a write of its own.
const longCommand = 50;

// In these states ioredis queues a command to send it later; a lazy client ("wait") connects for its first command.
const queueing: ReadonlySet<string> = new Set(['connecting', 'connect', 'reconnecting', 'close', 'disconnecting']);

// The subscription connection comes back whatever the application chose for its own one.
const subscriberOptions = {
  keyPrefix: '',
  lazyConnect: false,
  enableOfflineQueue: true,
  maxRetriesPerRequest: null,
  commandTimeout: undefined,
  reconnectOnError: null,
  // ioredis listens to no failure of its own subscribing anew (H53); ours, after each reconnect, is enough.
  autoResubscribe: false,
  retryStrategy: (attempt: number): number => Math.min(attempt * 50, 1_000),
};

/**
 * Binds the Redis lock protocol to an ioredis client, which stays the caller's: it is neither configured nor closed,
 * unless `ownsClient` says that the binding's `close()` closes it.
 *
 * ioredis sends commands that were under way again after a reconnect; the binding counts the connections that were lost.
 */
export function ioredisBinding(
  client: IoredisClient | IoredisCluster,
  { ownsClient = false }: { readonly ownsClient?: boolean } = {},
): RedisClientBinding {
  const lost = dropsOf(client);
  const whenReady = createReadiness(client, name);
  const gather = isCluster(client) ? () => {} : writesInGroups(client);
  return {
    name,
    cluster: isCluster(client),
    keyPrefix:
      client.options.keyPrefix ?? (isCluster(client) ? client.options.redisOptions?.keyPrefix : undefined) ?? '',
    get resends() {
      return lost.drops;
    },
    connectionOf: () => String(lost.drops),
    get ready() {
      return !queueing.has(client.status);
    },
    whenReady,
    call(command, args) {
      if (args.length < longCommand) gather();
      return client.call(command, args as string[]);
    },
    ...(isCluster(client) && {
      callMaster: (index: number, command: string, args: readonly string[]) =>
        mastersOf(client)[index]?.call(command, args as string[]),
    }),
    waitReplicas: async (key, replicas, timeoutMs) =>
      Number(await masterOf(client, key).call('wait', [replicas, timeoutMs])),
    openSubscriber: (events) => (isCluster(client) ? clusterSubscriber(client, events) : subscriber(client, events)),
    async close() {
      // Not `quit`, which waits for a server that may never answer.
      if (ownsClient) client.disconnect();
    },
  };
}

/**
 * Has the socket send the commands of one turn of the event loop together, where ioredis makes a system call of each. The
 * first of a turn goes out at once, so a command alone is not delayed; then some at a time, so that the server works on
 * them while the next are made.
 */
function writesInGroups(client: IoredisClient): () => void {
  let calls = 0;
  let corked: IoredisClient['stream'];
  const endOfTurn = (): void => {
    calls = 0;
    corked?.uncork();
    corked = undefined;
  };
  return () => {
    calls += 1;
    if (calls === 1) process.nextTick(endOfTurn);
    else if (calls % groupSize === 2) {
      corked?.uncork();
      corked = client.stream;
      corked?.cork();
    }
  };
}

// One listener per client, however many adapters are made over it.
const counters = new WeakMap<object, { drops: number }>();

function dropsOf(client: IoredisClient | IoredisCluster): { readonly drops: number } {
  let counter = counters.get(client);
  if (counter === undefined) {
    const made = { drops: 0 };
    counter = made;
    counters.set(client, made);
    client.on(isCluster(client) ? '-node' : 'close', () => {
      made.drops += 1;
    });
  }
  return counter;
}

function isCluster(client: IoredisClient | IoredisCluster): client is IoredisCluster {
  return 'nodes' in client;
}

/** The connection that carries the writes of a key. */
function masterOf(client: IoredisClient | IoredisCluster, key: string): IoredisClient {
  if (!isCluster(client)) return client;
  const address = client.slots[hashSlot(key)]?.[0];
  const master = client.nodes('master').find(({ options }) => `${options.host}:${options.port}` === address);
  if (master === undefined) throw new Error('The cluster has no master for this key at the moment.');
  return master;
}

/** The masters of a cluster, in an order that stays as long as they do. */
function mastersOf(client: IoredisCluster): readonly IoredisClient[] {
  const address = ({ options }: ReturnType<IoredisCluster['nodes']>[number]): string =>
    `${options.host}:${options.port}`;
  return [...client.nodes('master')].sort((a, b) => (address(a) < address(b) ? -1 : 1));
}

function subscriber(client: IoredisClient, events: SubscriberEvents): RedisSubscriber {
  const connection = client.duplicate(subscriberOptions);
  let wasReady = false;
  connection.on('error', () => {});
  connection.on('message', (channel) => events.message(String(channel)));
  connection.on('ready', () => {
    if (wasReady) events.reconnected();
    wasReady = true;
  });
  return {
    subscribe: (channel) => connection.subscribe(channel),
    unsubscribe: (channel) => connection.unsubscribe(channel),
    close: () => connection.disconnect(),
  };
}

function clusterSubscriber(client: IoredisCluster, events: SubscriberEvents): RedisSubscriber {
  const connection = client.duplicate([], {
    keyPrefix: '',
    lazyConnect: false,
    enableOfflineQueue: true,
    shardedSubscribers: true,
    clusterRetryStrategy: subscriberOptions.retryStrategy,
  });
  let wasReady = false;
  connection.on('error', () => {});
  connection.on('smessage', (channel) => events.message(String(channel)));
  connection.on('subscribersReady', () => {
    if (wasReady) events.reconnected();
    wasReady = true;
  });
  return {
    subscribe: (channel) => connection.ssubscribe(channel),
    unsubscribe: (channel) => connection.sunsubscribe(channel),
    close: () => connection.disconnect(),
  };
}
