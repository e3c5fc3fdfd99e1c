/** What the lock protocol needs of a Redis client. `ioredisBinding` and `nodeRedisBinding` create one. */
export interface RedisClientBinding {
  /** A short name of the client library for messages, e.g. `ioredis`. */
  readonly name: string;
  /** True if keys are spread over slots: each command then uses one slot, and hints are sent by sharded pub/sub. */
  readonly cluster: boolean;
  /** The prefix that the client itself adds to every key that it sends. It does not add it to channels. */
  readonly keyPrefix: string;
  /**
   * Increases each time the client may have sent a command twice, as ioredis does after a reconnect. If it has increased between a
   * call and its answer, "not held" may be the result of the call's own earlier success (H14).
   */
  readonly resends: number;
  /** After how many ms the client itself gives up on a command or on a silent connection, whichever is shorter. */
  readonly commandTimeoutMs?: number | undefined;
  /** Sends one command and returns its raw reply. `key` selects the node of a cluster. The binding never retries it or times it out. */
  call(command: string, args: readonly string[], key?: string): Promise<unknown>;
  /** For a cluster: sends one command to the master with this index, counted from 0; `undefined` if there are fewer masters. */
  callMaster?(index: number, command: string, args: readonly string[]): Promise<unknown> | undefined;
  /** Identifies the connection that carries the writes of `key`. It changes with a reconnect, a failover or a move of the slot. */
  connectionOf?(key: string): string;
  /** Sends WAIT on the connection that writes `key`. The raw reply is how many replicas have the writes after at most `timeoutMs`. */
  waitReplicas(key: string, replicas: number, timeoutMs: number): Promise<unknown>;
  /** False while the client would queue a command instead of sending it. */
  readonly ready: boolean;
  /** For a cluster: `ready`, for the node that serves `key`. */
  readyFor?(key: string): boolean;
  /**
   * Resolves when the client, and its connection to the node that serves `key`, are ready. Rejects when `signal` aborts, when an
   * attempt to connect fails, when the server refuses the client's credentials, and after about a second. Without it, a command could
   * stay in the client's offline queue and be sent after its caller has given up (H27, H116).
   */
  whenReady(signal?: AbortSignal, key?: string): Promise<void>;
  /** Opens the connection for subscriptions. It reconnects by itself, without a limit of attempts. */
  openSubscriber(events: SubscriberEvents): RedisSubscriber;
  /** If the binding owns the client: makes it reconnect, after the server of the present connection has become a replica. */
  reconnect?(): void;
  /** Closes the client if the binding owns it, in bounded time even if the server is down. Idempotent. */
  close(): Promise<void>;
}

/** The events of a connection for subscriptions. */
export interface SubscriberEvents {
  /** A message has arrived on the channel. */
  message(channel: string, text: string): void;
  /** The connection is up, for the first time or again. Messages may have been missed; subscriptions may be missing or left over. */
  connected(): void;
}

/** A connection for subscriptions. */
export interface RedisSubscriber {
  /** False while a subscription would be queued instead of sent. */
  readonly ready: boolean;
  /** Resolves when the server has confirmed the subscription. It may be repeated. */
  subscribe(channel: string): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  /**
   * Has the connections that these channels are listened to on show that they work, and makes those anew that have shown nothing since
   * the last time. It is called now and then while anybody waits: a connection that only listens may be dead without a sign.
   */
  check?(channels: readonly string[]): void;
  /** Closes the connection at once. Idempotent. */
  close(): void;
}
