import { createReadiness } from '../client-readiness.ts';
import { hashSlot } from '../cluster-slot.ts';
import { stillMoving } from '../errors.ts';
import type { RedisClientBinding } from '../redis-client.ts';
import { checkListening } from './dead-connection.ts';
import type { NodeRedisCluster, NodeRedisClusterNode } from './node-redis-client.ts';
import { commandOptions, dropsOf } from './node-redis-command-options.ts';
import { MasterFinder, nodeIsUp } from './node-redis-masters.ts';
import { sharedSubscriber } from './shared-subscriber.ts';
import { whereServed } from './wait-on-cluster.ts';

const name = 'node-redis';

const backEvents = ['connect', 'node-ready'];

/** Binds the lock protocol to a cluster of node-redis. */
export function nodeRedisClusterBinding(
  client: NodeRedisCluster,
  ownsClient: boolean,
  close: () => Promise<void>,
): RedisClientBinding {
  // Only from version 6 on a cluster has `isReady`.
  const options = commandOptions(client, () => client.isReady === undefined, 'node-reconnecting');
  // A node may have a mapping of its own, which only the options of the whole cluster would tell.
  const mapped = { timeout: undefined, typeMapping: {} };
  const drops = dropsOf(client, 'node-reconnecting');
  const whenUp = createReadiness(client, name, 'connect');
  const masterOf = (key: string): NodeRedisClusterNode | undefined => client.slots[hashSlot(key)]?.master;
  // Version 5 does not tell; there the slots have no nodes before the cluster is connected.
  // One of ours that found no server is connected again soon.
  const isUp = (): boolean => (client.isReady ?? client.slots[0] !== undefined) || !(client.isOpen || ownsClient);
  const finder = ownsClient ? new MasterFinder(client) : undefined;
  return {
    name,
    cluster: true,
    keyPrefix: '',
    resends: 0,
    get ready() {
      return isUp();
    },
    readyFor(key) {
      if (!isUp()) return false;
      const node = masterOf(key);
      if (node !== undefined) finder?.check(node);
      return nodeIsUp(node);
    },
    async whenReady(signal, key) {
      if (!isUp()) await whenUp(signal);
      const node = key === undefined ? undefined : masterOf(key)?.client;
      if (node === undefined || nodeIsUp({ client: node })) return;
      await createReadiness(node, name)(signal);
    },
    call(command, args, key) {
      const sent = client.sendCommand(key, false, [command, ...args], options());
      const answer = finder && key !== undefined ? finder.asked(masterOf(key), sent) : sent;
      return answer.catch((error: unknown) => {
        throw stillMoving(error);
      });
    },
    callMaster(index, command, args) {
      const master = [...new Set(client.slots.map((slot) => slot?.master))].filter((node) => node !== undefined)[index];
      if (master === undefined) return undefined;
      return Promise.resolve(client.nodeClient(master as never)).then((node) =>
        node.sendCommand([command, ...args], options()),
      );
    },
    connectionOf: (key) => `${masterOf(key)?.address}/${drops.count}`,
    async waitReplicas(key, replicas, timeoutMs) {
      // To the master itself: a cluster would ask all of its masters.
      const node = masterOf(key);
      const master = await client.nodeClient(node as never);
      const serves = master.sendCommand(['get', key], mapped);
      const waited = master.sendCommand(['wait', String(replicas), String(timeoutMs)], mapped);
      return whereServed(serves, finder?.asked(node, waited, timeoutMs) ?? waited);
    },
    openSubscriber(events) {
      const onMessage = (message: unknown, channel: unknown) => events.message(String(channel), String(message));
      // A cluster keeps connections for subscriptions by itself, and says when one of them is back.
      const onBack = () => events.connected();
      // A node is ready before the cluster is.
      for (const event of backEvents) client.on(event, onBack);
      return sharedSubscriber(client, {
        isReady: isUp,
        isOpen: () => client.isOpen,
        subscribe: (channel) => client.sSubscribe(channel, onMessage),
        unsubscribe: (channel) => client.sUnsubscribe(channel, onMessage),
        check(channels) {
          const listening = new Set(channels.map((channel) => masterOf(channel)?.pubSub?.client));
          for (const connection of listening) if (connection !== undefined) checkListening(connection);
        },
        close() {
          for (const event of backEvents) client.off(event, onBack);
        },
      });
    },
    close,
  };
}
