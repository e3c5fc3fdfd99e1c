import { createReadiness } from '../client-readiness.ts';
import { hashSlot } from '../cluster-slot.ts';
import type { RedisClientBinding, RedisSubscriber, SubscriberEvents } from '../redis-client.ts';
import { batchCommands } from './command-batching.ts';
import type { AnyNodeRedis, NodeRedisClient, NodeRedisCluster, NodeRedisSentinel } from './node-redis-client.ts';
import { commandOptions, keepsOptions } from './node-redis-command-options.ts';

const name = 'node-redis';

/**
 * Binds the Redis lock protocol to a node-redis client, which stays the caller's: it is neither configured nor closed,
 * unless `ownsClient` says that the binding's `close()` closes it.
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
  if ('sSubscribe' in client && 'nodeClient' in client) return clusterBinding(client, ownsClient, close);
  if ('getMasterNode' in client) return sentinelBinding(client, close);
  return clientBinding(client, close);
}

function clientBinding(client: NodeRedisClient, close: () => Promise<void>): RedisClientBinding {
  const options = commandOptions(client, keepsOptions(client), 'reconnecting');
  let drops = 0;
  client.on('reconnecting', () => {
    drops += 1;
  });
  return {
    name,
    cluster: false,
    keyPrefix: '',
    resends: 0,
    connectionOf: () => String(drops),
    get ready() {
      // A client that was never connected refuses commands, which says more than waiting.
      return client.isReady || !client.isOpen;
    },
    whenReady: createReadiness(client, name, 'ready'),
    call: batchCommands((command, args) => client.sendCommand([command, ...args], options())),
    waitReplicas: async (_key, replicas, timeoutMs) =>
      Number(await client.sendCommand(['wait', String(replicas), String(timeoutMs)], options())),
    openSubscriber: (events) => subscriber(client, events),
    close,
  };
}

function clusterBinding(client: NodeRedisCluster, ownsClient: boolean, close: () => Promise<void>): RedisClientBinding {
  // Only from version 6 on a cluster has `isReady`.
  const options = commandOptions(client, client.isReady === undefined, 'node-reconnecting');
  return {
    name,
    cluster: true,
    keyPrefix: '',
    resends: 0,
    get ready() {
      // Version 5 does not tell; there the slots have no nodes before the cluster is connected.
      // One of ours that found no server is connected again soon.
      return (client.isReady ?? client.slots[0] !== undefined) || !(client.isOpen || ownsClient);
    },
    whenReady: createReadiness(client, name, 'connect'),
    call: (command, args, key) => client.sendCommand(key, false, [command, ...args], options()),
    callMaster(index, command, args) {
      const master = [...new Set(client.slots.map((slot) => slot?.master))].filter((node) => node !== undefined)[index];
      if (master === undefined) return undefined;
      return Promise.resolve(client.nodeClient(master as never)).then((node) =>
        node.sendCommand([command, ...args], options()),
      );
    },
    async waitReplicas(key, replicas, timeoutMs) {
      // To the master itself: a cluster would ask all of its masters.
      const master = await client.nodeClient(client.slots[hashSlot(key)]!.master as never);
      return Number(await master.sendCommand(['wait', String(replicas), String(timeoutMs)]));
    },
    openSubscriber(events) {
      const onMessage = (_message: unknown, channel: unknown) => events.message(String(channel));
      // A cluster keeps connections for subscriptions by itself, and says when one of them is back.
      const onBack = () => events.reconnected();
      client.on('node-ready', onBack);
      return sharedSubscriber(
        (channel) => client.sSubscribe(channel, onMessage),
        (channel) => client.sUnsubscribe(channel, onMessage),
        () => client.off('node-ready', onBack),
      );
    },
    close,
  };
}

function sentinelBinding(client: NodeRedisSentinel, close: () => Promise<void>): RedisClientBinding {
  let resends = 0;
  return {
    name,
    cluster: false,
    keyPrefix: '',
    get resends() {
      return resends;
    },
    // It waits for its master by itself, and tells no event when it has one.
    ready: true,
    whenReady: async () => {},
    call(command, args) {
      const whole = [command, ...args];
      let sends = 0;
      // As `sendCommand`, which sends again after a lost connection; here that is counted.
      return client._execute(false, (master) => {
        sends += 1;
        if (sends > 1) resends += 1;
        return master.sendCommand(whole, { timeout: undefined });
      });
    },
    waitReplicas: async (_key, replicas, timeoutMs) =>
      Number(await client.sendCommand(false, ['wait', String(replicas), String(timeoutMs)])),
    openSubscriber(events) {
      const onMessage = (_message: unknown, channel: unknown) => events.message(String(channel));
      const onChange = () => events.reconnected();
      client.on('topology-change', onChange);
      return sharedSubscriber(
        (channel) => client.subscribe(channel, onMessage),
        (channel) => client.unsubscribe(channel, onMessage),
        () => client.off('topology-change', onChange),
      );
    },
    close,
  };
}

/** A connection of our own: one that subscribes is good for nothing else under RESP2. */
function subscriber(client: NodeRedisClient, events: SubscriberEvents): RedisSubscriber {
  const closing = new AbortController();
  const connection = client.duplicate({
    disableOfflineQueue: false,
    commandOptions: undefined,
    socket: {
      ...client.options?.socket,
      signal: closing.signal,
      // It comes back whatever the application chose for its own connection.
      reconnectStrategy: (retries: number) => Math.min(50 + retries * 50, 1_000),
    },
  });
  const onMessage = (_message: unknown, channel: unknown) => events.message(String(channel));
  let wasReady = false;
  connection.on('error', () => {});
  connection.on('ready', () => {
    if (wasReady) events.reconnected();
    wasReady = true;
  });
  // It goes on trying by itself, until it is closed.
  connection.connect().catch(() => {});
  return {
    subscribe: (channel) => connection.subscribe(channel, onMessage),
    unsubscribe: (channel) => connection.unsubscribe(channel, onMessage),
    close() {
      if (connection.isOpen) connection.destroy();
      // What is destroyed before its socket is up comes up all the same, and would stay for ever (H43).
      closing.abort();
    },
  };
}

/** Subscriptions over a connection that the client keeps for all who subscribe; closing ends ours only. */
function sharedSubscriber(
  subscribe: (channel: string) => Promise<unknown>,
  unsubscribe: (channel: string) => Promise<unknown>,
  close: () => void,
): RedisSubscriber {
  const standing = new Set<string>();
  return {
    subscribe(channel) {
      standing.add(channel);
      return subscribe(channel);
    },
    unsubscribe(channel) {
      standing.delete(channel);
      return unsubscribe(channel);
    },
    close() {
      close();
      for (const channel of standing) unsubscribe(channel).catch(() => {});
      standing.clear();
    },
  };
}
