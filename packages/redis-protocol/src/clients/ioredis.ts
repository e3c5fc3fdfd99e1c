import { performance } from 'node:perf_hooks';
import { nextTick } from 'node:process';
import { createReadiness } from '../client-readiness.ts';
import { notConnected, readable } from '../errors.ts';
import type { RedisClientBinding, RedisSubscriber, SubscriberEvents } from '../redis-client.ts';
import { looksLikeIoredis, looksLikeIoredisCluster, wrongClient } from './client-shapes.ts';
import { silentMs } from './dead-connection.ts';
import type { IoredisClient, IoredisCluster } from './ioredis-client.ts';
import { ioredisClusterBinding } from './ioredis-cluster.ts';
import { ignoreLateSocketErrors } from './late-socket-errors.ts';

const name = 'ioredis';

// A write to the socket costs about as much as making this many commands.
const groupSize = 16;
// A command with so many arguments is worth a write of its own.
const longCommand = 50;

// A SELECT without an answer for so long is waited for by nobody else.
const longestSelectMs = 1_000;

const { clearTimeout: stopTimer } = globalThis;

// In these states ioredis queues a command to send it later; a lazy client ("wait") connects for its first command.
const queueing: ReadonlySet<string> = new Set(['connecting', 'connect', 'reconnecting', 'close', 'disconnecting']);

// The subscription connection comes back whatever the application chose for its own one.
const subscriberOptions = {
  keyPrefix: '',
  lazyConnect: false,
  enableOfflineQueue: false,
  // Subscribing is allowed while the server is loading, and also to a user who may not ask for INFO.
  enableReadyCheck: false,
  // ioredis 5 takes a connection that breaks while it says its name for ready, and then never makes another one.
  disableClientInfo: true,
  maxRetriesPerRequest: 0,
  commandTimeout: undefined,
  reconnectOnError: null,
  // ioredis listens to no failure of its own subscribing anew (H53); ours, after each reconnect, is enough.
  autoResubscribe: false,
  retryStrategy: (attempt: number): number => Math.min(attempt * 50, 1_000),
};

/**
 * Binds the Redis lock protocol to an ioredis client. The client still belongs to the caller: the binding does not configure it, and
 * `close()` closes it only with `ownsClient`.
 *
 * After a reconnect, ioredis sends unanswered commands again; the binding therefore counts lost connections.
 * @throws LockError LOCK_INVALID_ARGUMENT for anything but an ioredis `Redis` or `Cluster`
 */
export function ioredisBinding(
  client: IoredisClient | IoredisCluster,
  { ownsClient = false }: { readonly ownsClient?: boolean } = {},
): RedisClientBinding {
  const close = async (): Promise<void> => {
    // Not `quit`, which waits for a server that may never answer.
    if (ownsClient) client.disconnect();
  };
  if (looksLikeIoredisCluster(client)) return ioredisClusterBinding(client, close);
  if (looksLikeIoredis(client)) return singleBinding(client, ownsClient, close);
  throw wrongClient(client, 'ioredis');
}

function singleBinding(client: IoredisClient, ownsClient: boolean, close: () => Promise<void>): RedisClientBinding {
  if (ownsClient) endSocketTimer(client);
  const connection = connectionStateOf(client);
  const whenUp = createReadiness(client, name);
  const startGroup = writesInGroups(client);
  const timeouts = [client.options.commandTimeout, client.options.socketTimeout].filter((ms) => typeof ms === 'number');
  const isUp = (): boolean =>
    client.status === 'ready' ? client.stream?.writable !== false : !queueing.has(client.status);
  return {
    name,
    cluster: false,
    keyPrefix: client.options.keyPrefix ?? '',
    commandTimeoutMs: timeouts.length === 0 ? undefined : Math.min(...timeouts),
    get resends() {
      return connection.drops;
    },
    get ready() {
      return connection.database === 'selected' && isUp();
    },
    async whenReady(signal) {
      if (!isUp()) await whenUp(signal);
      await connection.selectDatabase();
    },
    call(command, args) {
      if (args.length < longCommand) startGroup();
      return client.call(command, args as string[]);
    },
    connectionOf: () => String(connection.drops),
    waitReplicas: (_key, replicas, timeoutMs) => client.call('wait', [replicas, timeoutMs]),
    openSubscriber: (events) => openSubscriber(client, events),
    ...(ownsClient && { reconnect: () => client.disconnect(true) }),
    close,
  };
}

/**
 * Has the socket send the commands of one turn of the event loop together, where ioredis makes a system call of each: some at a
 * time, so that the server works on them while the next are made. The first of a turn goes out at once, so a command alone is
 * not delayed, unless the turn before had many.
 */
function writesInGroups(client: IoredisClient): () => void {
  let calls = 0;
  let isBusy = false;
  let corked: IoredisClient['stream'];
  const endOfTurn = (): void => {
    isBusy = calls > 1;
    calls = 0;
    corked?.uncork();
    corked = undefined;
  };
  return () => {
    calls += 1;
    if (calls === 1) {
      nextTick(endOfTurn);
      if (!isBusy) return;
    }
    if (calls % groupSize !== (isBusy ? 1 : 2)) return;
    corked?.uncork();
    corked = client.stream;
    corked?.cork();
  };
}

/** What the adapter keeps about the connection of a client. */
interface ConnectionState {
  /** Counts the connections that were lost. */
  drops: number;
  /** ioredis goes on in database 0 when the one it was given does not exist, so it is selected once more, and looked at. */
  database: 'selected' | 'unknown';
  selectDatabase(): Promise<void>;
}

// One listener per client, however many adapters are made over it.
const states = new WeakMap<object, ConnectionState>();

function connectionStateOf(client: IoredisClient): ConnectionState {
  const known = states.get(client);
  if (known !== undefined) return known;
  const selected = (): number => {
    // What the client selected last, for an application that has called `select`.
    const { condition } = client as { condition?: { select?: unknown } | null };
    return typeof condition?.select === 'number' ? condition.select : (client.options.db ?? 0);
  };
  let selecting: Promise<void> | undefined;
  let since = 0;
  async function select(): Promise<void> {
    const { drops } = state;
    try {
      await client.call('select', [selected()]);
    } catch (error) {
      throw readable(error, name);
    }
    if (state.drops === drops) state.database = 'selected';
  }
  const initial = (): ConnectionState['database'] => (selected() === 0 ? 'selected' : 'unknown');
  const state: ConnectionState = {
    drops: 0,
    database: initial(),
    selectDatabase() {
      if (state.database === 'selected') return Promise.resolve();
      if (selecting === undefined) {
        since = performance.now();
        selecting = select().finally(() => {
          selecting = undefined;
        });
      } else if (performance.now() - since > longestSelectMs) return Promise.reject(notConnected(name));
      return selecting;
    },
  };
  client.on('close', () => {
    state.drops += 1;
    state.database = initial();
  });
  states.set(client, state);
  return state;
}

/** In ioredis 5 the timer of `socketTimeout` outlives its connection, and would break the next one. */
function endSocketTimer(client: IoredisClient): void {
  client.on('close', () => {
    const state = client as { socketTimeoutTimer?: NodeJS.Timeout | undefined };
    stopTimer(state.socketTimeoutTimer);
    state.socketTimeoutTimer = undefined;
  });
}

function openSubscriber(client: IoredisClient, events: SubscriberEvents): RedisSubscriber {
  const { socketTimeout = silentMs } = client.options;
  const connection = client.duplicate({ ...subscriberOptions, socketTimeout });
  endSocketTimer(connection);
  connection.on('error', () => {});
  ignoreLateSocketErrors(connection);
  connection.on('message', (channel, text) => events.message(String(channel), String(text)));
  connection.on('ready', () => events.connected());
  return {
    get ready() {
      return connection.status === 'ready';
    },
    subscribe: (channel) => connection.subscribe(channel),
    unsubscribe: (channel) => connection.unsubscribe(channel),
    // A user who may not PING is told so, which is an answer; `socketTimeout` ends a connection that has none.
    check: () => void connection.call('ping', []).catch(() => {}),
    close: () => connection.disconnect(),
  };
}
