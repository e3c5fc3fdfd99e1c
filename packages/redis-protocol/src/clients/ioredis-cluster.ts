import { createReadiness } from '../client-readiness.ts';
import { hashSlot } from '../cluster-slot.ts';
import { isRedirection, stillMoving } from '../errors.ts';
import type { RedisClientBinding, RedisSubscriber, SubscriberEvents } from '../redis-client.ts';
import { silentMs } from './dead-connection.ts';
import type { IoredisCluster, IoredisNode, IoredisOptions } from './ioredis-client.ts';
import { ignoreLateSocketErrors } from './late-socket-errors.ts';
import { whereServed } from './wait-on-cluster.ts';

const name = 'ioredis';

// After which time subscriptions are tried again that came before ioredis knew the slots.
const slotsUnknownMs = 50;

const { setTimeout: startTimer } = globalThis;

// In these states ioredis queues a command to send it later; a node ("wait") connects for its first command.
const queueing: ReadonlySet<string> = new Set(['connecting', 'connect', 'reconnecting', 'close', 'disconnecting']);

/** Binds the lock protocol to an ioredis `Cluster`. */
export function ioredisClusterBinding(client: IoredisCluster, close: () => Promise<void>): RedisClientBinding {
  const nodes = nodesOf(client);
  const whenUp = createReadiness(client, name);
  const { redisOptions, natMap } = client.options;
  const keyPrefix = client.options.keyPrefix ?? redisOptions?.keyPrefix ?? '';
  const timeouts = [redisOptions?.commandTimeout, redisOptions?.socketTimeout].filter((ms) => typeof ms === 'number');
  const masterOf = (key: string): IoredisNode | undefined => nodes.at(client.slots[hashSlot(keyPrefix + key)]?.[0]);
  // Only the cluster itself knows its prefix, and the addresses behind a map of addresses.
  const direct = keyPrefix === '' && !natMap;

  /** Over the cluster, which follows redirections; when it gives up on one to a node that says TRYAGAIN, nothing was done. */
  const follow = (command: string, args: readonly string[]): Promise<unknown> =>
    client.call(command, args as string[]).catch((error: unknown) => {
      const isGivenUp = error instanceof Error && /^Too many Cluster redirections/.test(error.message);
      throw isGivenUp ? new Error(`TRYAGAIN ${error.message}`) : error;
    });

  function call(command: string, args: readonly string[], key?: string): Promise<unknown> {
    const node = direct && key !== undefined && client.status === 'ready' ? masterOf(key) : undefined;
    if (node?.status !== 'ready') return follow(command, args);
    // Sent to the node itself, since the cluster would repeat a command for seconds that is answered TRYAGAIN or CLUSTERDOWN.
    return node.call(command, args as string[]).then(undefined, (error: unknown) => redirect(error, command, args));
  }

  function redirect(error: unknown, command: string, args: readonly string[]): Promise<unknown> {
    if (!isRedirection(error)) throw error;
    const [kind, , address] = error.message.split(' ');
    const target = kind === 'ASK' ? nodes.at(address) : undefined;
    // The cluster follows, and learns where the slot is now.
    if (target?.status !== 'ready') return follow(command, args);
    target.call('asking', []).catch(() => {});
    return target.call(command, args as string[]).catch((reason: unknown) => {
      throw stillMoving(reason);
    });
  }

  return {
    name,
    cluster: true,
    keyPrefix,
    commandTimeoutMs: timeouts.length === 0 ? undefined : Math.min(...timeouts),
    get resends() {
      return nodes.drops;
    },
    get ready() {
      return !queueing.has(client.status);
    },
    readyFor(key) {
      if (queueing.has(client.status)) return false;
      const node = client.status === 'ready' ? masterOf(key) : undefined;
      return node === undefined || !queueing.has(node.status);
    },
    async whenReady(signal, key) {
      if (queueing.has(client.status)) await whenUp(signal);
      const node = key === undefined ? undefined : masterOf(key);
      if (node !== undefined && queueing.has(node.status)) await createReadiness(node, name)(signal);
    },
    call,
    callMaster: (index, command, args) => mastersOf(client)[index]?.call(command, args as string[]),
    connectionOf: (key) => `${client.slots[hashSlot(keyPrefix + key)]?.[0]}/${nodes.drops}`,
    async waitReplicas(key, replicas, timeoutMs) {
      const master = masterOf(key);
      if (master === undefined) throw new Error('The cluster has no master for this key at the moment.');
      const ownPrefix = (master.options as IoredisOptions).keyPrefix ?? '';
      const serves = master.call('get', [ownPrefix === '' ? keyPrefix + key : key]);
      return whereServed(serves, master.call('wait', [replicas, timeoutMs]));
    },
    openSubscriber: (events) => openSubscriber(client, events),
    close,
  };
}

/** The nodes by address, and how many connections to nodes were lost. */
interface Nodes {
  drops: number;
  at(address: string | undefined): IoredisNode | undefined;
}

const addressOf = ({ options }: IoredisNode): string => `${options.host}:${options.port}`;

// One set of listeners per client, however many adapters are made over it.
const known = new WeakMap<object, Nodes>();

function nodesOf(client: IoredisCluster): Nodes {
  const present = known.get(client);
  if (present !== undefined) return present;
  let byAddress: Map<string, IoredisNode> | undefined;
  const nodes: Nodes = {
    drops: 0,
    at(address) {
      if (address === undefined) return undefined;
      byAddress ??= new Map(client.nodes('all').map((node) => [addressOf(node), node]));
      return byAddress.get(address);
    },
  };
  const onDrop = (): void => {
    nodes.drops += 1;
  };
  // A node that reconnects by itself, which `clusterNodeRetryStrategy` makes it do, sends its commands again (H14).
  for (const node of client.nodes('all')) node.on('close', onDrop);
  client.on('+node', (node) => {
    byAddress = undefined;
    (node as IoredisNode).on('close', onDrop);
  });
  client.on('-node', () => {
    byAddress = undefined;
    onDrop();
  });
  known.set(client, nodes);
  return nodes;
}

/** The masters of a cluster, in an order that stays as long as they do. */
function mastersOf(client: IoredisCluster): readonly IoredisNode[] {
  return [...client.nodes('master')].sort((a, b) => (addressOf(a) < addressOf(b) ? -1 : 1));
}

/** A channel in the same slot that nobody subscribes to. */
const besides = (channel: string): string => (channel.includes('{') ? `${channel}?` : `{${channel}}`);

function openSubscriber(client: IoredisCluster, events: SubscriberEvents): RedisSubscriber {
  const connection = client.duplicate([], {
    keyPrefix: '',
    lazyConnect: false,
    enableOfflineQueue: true,
    shardedSubscribers: true,
    // With numbers as text ioredis does not find the subscriber of a slot.
    redisOptions: { stringNumbers: false, socketTimeout: client.options.redisOptions?.socketTimeout ?? silentMs },
    clusterRetryStrategy: (attempt: number): number => Math.min(attempt * 50, 1_000),
  });
  let subscribersReady = false;
  connection.on('error', () => {});
  connection.on('+node', (node) => ignoreLateSocketErrors(node as IoredisNode));
  connection.on('smessage', (channel, text) => events.message(String(channel), String(text)));
  // The two come in either order.
  const onReady = (): void => {
    if (subscribersReady && connection.status === 'ready') events.connected();
  };
  connection.on('ready', onReady);
  connection.on('subscribersReady', () => {
    subscribersReady = true;
    onReady();
  });
  // Before it knows the slots, ioredis throws, or refuses, and does not always say when it knows them.
  const retrySoon = (): void => {
    if (!subscribersReady) return;
    subscribersReady = false;
    startTimer(() => {
      subscribersReady = true;
      onReady();
    }, slotsUnknownMs).unref();
  };
  async function send(command: () => Promise<unknown>): Promise<unknown> {
    try {
      return await command();
    } catch (error) {
      if (error instanceof TypeError || /No sharded subscriber/.test(String(error))) retrySoon();
      throw error;
    }
  }
  return {
    get ready() {
      return subscribersReady && connection.status === 'ready';
    },
    subscribe: (channel) => send(() => connection.ssubscribe(channel)),
    unsubscribe: (channel) => send(() => connection.sunsubscribe(channel)),
    check(channels) {
      if (connection.status !== 'ready') return;
      const byNode = new Map(channels.map((channel) => [connection.slots[hashSlot(channel)]?.[0], channel]));
      // ioredis keeps each SUBSCRIBE of the same channel. It ends connections that leave this without an answer.
      for (const channel of byNode.values()) send(() => connection.sunsubscribe(besides(channel))).catch(() => {});
    },
    close: () => connection.disconnect(),
  };
}
