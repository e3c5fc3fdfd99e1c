import { performance } from 'node:perf_hooks';
import { type ClientEvents, createReadiness } from '../client-readiness.ts';
import { notConnected } from '../errors.ts';
import type { RedisClientBinding } from '../redis-client.ts';
import { silenceOf } from './dead-connection.ts';
import type { NodeRedisSentinel, NodeSender } from './node-redis-client.ts';
import { commandOptions, dropsOf, keepsOptions } from './node-redis-command-options.ts';
import { sentinelEvents } from './node-redis-sentinel-events.ts';
import { sharedSubscriber } from './shared-subscriber.ts';

const name = 'node-redis';

// A command that waited longer for a master is not sent: its caller may have given up (H27). It takes a while to ask the
// sentinels and to connect to the master.
const longestWaitMs = 1_800;

// How soon a subscription looks again for a master that was not found.
const lookAgainMs = 1_000;

const { setTimeout: startTimer } = globalThis;

/** Binds the lock protocol to a sentinel client of node-redis. */
export function nodeRedisSentinelBinding(
  client: NodeRedisSentinel,
  ownsClient: boolean,
  close: () => Promise<void>,
): RedisClientBinding {
  // One of ours that found no sentinel is connected again soon; another that was never connected refuses commands.
  const isUp = (): boolean => client.getMasterNode() !== undefined || !(client.isOpen || ownsClient);
  const whenUp = createReadiness(sentinelEvents(client, isUp), name, 'ready', longestWaitMs);
  const whenReady = async (signal?: AbortSignal): Promise<void> => (isUp() ? undefined : whenUp(signal));
  const master = masterConnection();
  let resends = 0;

  function send(command: string, args: readonly string[], busyMs?: number): Promise<unknown> {
    const whole = [command, ...args];
    const calledAt = performance.now();
    let sends = 0;
    // As `sendCommand`, which sends again after a lost connection; here that is counted.
    return client._execute(false, (connection) => {
      if (sends === 0 && performance.now() - calledAt > longestWaitMs) return Promise.reject(notConnected(name));
      sends += 1;
      if (sends > 1) resends += 1;
      master.uses(connection);
      const options = commandOptions(connection, () => keepsOptions(connection), 'reconnecting')();
      const answer = connection.sendCommand(whole, options);
      return ownsClient ? silenceOf(connection).until(answer, busyMs) : answer;
    });
  }

  return {
    name,
    cluster: false,
    keyPrefix: '',
    get resends() {
      return resends;
    },
    get ready() {
      return isUp();
    },
    whenReady,
    call: (command, args) => send(command, args),
    connectionOf: () => String(master.changes),
    waitReplicas: (_key, replicas, timeoutMs) => send('wait', [String(replicas), String(timeoutMs)], timeoutMs),
    openSubscriber(events) {
      const onMessage = (message: unknown, channel: unknown) => events.message(String(channel), String(message));
      let closed = false;
      const subscriber = sharedSubscriber(client, {
        isReady: isUp,
        isOpen: () => client.isOpen,
        subscribe: (channel) => client.subscribe(channel, onMessage),
        unsubscribe: (channel) => client.unsubscribe(channel, onMessage),
        close() {
          closed = true;
          client.off('topology-change', onChange);
        },
      });
      const onConnected = (): void => {
        if (closed) return;
        // What was asked while it connected to a master that died has no answer before that is back.
        subscriber.startOver();
        events.connected();
      };
      // The client tells that it has found another master, but not when it is connected to it.
      const onChange = (): void => {
        whenReady().then(onConnected, () => closed || startTimer(onChange, lookAgainMs).unref());
      };
      client.on('topology-change', onChange);
      if (!isUp()) onChange();
      return subscriber;
    },
    close,
  };
}

/** Counts how often commands went over another connection to the master than those before. */
function masterConnection(): { uses(connection: NodeSender & ClientEvents): void; readonly changes: number } {
  let last: object | undefined;
  let drops: { readonly count: number } | undefined;
  let before = 0;
  return {
    uses(connection) {
      if (connection === last) return;
      before += last === undefined ? 0 : 1 + (drops?.count ?? 0);
      last = connection;
      // One listener for a connection, however many adapters are made over its client.
      drops = dropsOf(connection, 'reconnecting');
      before -= drops.count;
    },
    get changes() {
      return before + (drops?.count ?? 0);
    },
  };
}
