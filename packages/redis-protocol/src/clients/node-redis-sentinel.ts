import type { ClientEvents } from '../client-readiness.ts';
import { notConnected } from '../errors.ts';
import type { RedisClientBinding } from '../redis-client.ts';
import type { NodeRedisSentinel, NodeSender } from './node-redis-client.ts';
import { plainOptions } from './node-redis-command-options.ts';
import { sharedSubscriber } from './shared-subscriber.ts';

const name = 'node-redis';

// A command that waited longer for a master is not sent: its caller may have given up (H27).
const longestWaitMs = 1_000;

/** Binds the lock protocol to a sentinel client of node-redis. */
export function nodeRedisSentinelBinding(client: NodeRedisSentinel, close: () => Promise<void>): RedisClientBinding {
  const master = masterConnection();
  let resends = 0;

  function call(command: string, args: readonly string[]): Promise<unknown> {
    const whole = [command, ...args];
    const calledAt = performance.now();
    let sends = 0;
    // As `sendCommand`, which sends again after a lost connection; here that is counted.
    return client._execute(false, (connection) => {
      if (sends === 0 && performance.now() - calledAt > longestWaitMs) return Promise.reject(notConnected(name));
      sends += 1;
      if (sends > 1) resends += 1;
      master.uses(connection);
      return connection.sendCommand(whole, plainOptions(connection));
    });
  }

  return {
    name,
    cluster: false,
    keyPrefix: '',
    get resends() {
      return resends;
    },
    // It waits for its master by itself, and not all versions tell when they have one.
    ready: true,
    whenReady: async () => {},
    call,
    connectionOf: () => String(master.changes),
    waitReplicas: (_key, replicas, timeoutMs) => call('wait', [String(replicas), String(timeoutMs)]),
    openSubscriber(events) {
      const onMessage = (_message: unknown, channel: unknown) => events.message(String(channel));
      const onChange = () => events.connected();
      client.on('topology-change', onChange);
      return sharedSubscriber(
        () => client.isReady,
        (channel) => client.subscribe(channel, onMessage),
        (channel) => client.unsubscribe(channel, onMessage),
        () => client.off('topology-change', onChange),
      );
    },
    close,
  };
}

/** Counts how often commands went over another connection to the master than those before. */
function masterConnection(): { uses(connection: NodeSender & ClientEvents): void; readonly changes: number } {
  const watched = new WeakSet<object>();
  let last: object | undefined;
  let changes = 0;
  return {
    uses(connection) {
      if (connection === last) return;
      if (last !== undefined) changes += 1;
      last = connection;
      if (watched.has(connection)) return;
      watched.add(connection);
      connection.on('reconnecting', () => {
        changes += 1;
      });
    },
    get changes() {
      return changes;
    },
  };
}
