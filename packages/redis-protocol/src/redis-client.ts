/** The little that the lock protocol needs of a Redis client. One per client library; see `ioredisBinding`, `nodeRedisBinding`. */
export interface RedisClientBinding {
  /** Short name of the client library for messages, e.g. `ioredis`. */
  readonly name: string;
  /** True when keys are spread over slots: one command then touches one slot, and hints go over sharded pub/sub. */
  readonly cluster: boolean;
  /** What the client itself puts before every key that it sends; channels do not get it. */
  readonly keyPrefix: string;
  /**
   * Grows each time the client may have sent a command twice, as ioredis does after a reconnect. If it grew between a
   * call and its answer, "not held" may be the echo of the caller's own success (H14).
   */
  readonly resends: number;
  /** After how many ms the client gives up on a command or a silent connection by itself, the shorter of both. */
  readonly commandTimeoutMs?: number | undefined;
  /** Sends one command and gives its raw reply. `key` chooses the node of a cluster. Never retried, never timed out. */
  call(command: string, args: readonly string[], key?: string): Promise<unknown>;
  /** Of a cluster: the same, sent to the master of this number, from 0; `undefined` when there are fewer. */
  callMaster?(index: number, command: string, args: readonly string[]): Promise<unknown> | undefined;
  /** The connection that carries the writes of `key`; another value after a reconnect, a failover or a move of the slot. */
  connectionOf?(key: string): string;
  /** WAIT on the connection that carries the writes of `key`: the raw reply is how many replicas have them after at most `timeoutMs`. */
  waitReplicas(key: string, replicas: number, timeoutMs: number): Promise<unknown>;
  /** False while the client would queue a command instead of sending it. */
  readonly ready: boolean;
  /** Of a cluster: the same for the node that serves `key`. */
  readyFor?(key: string): boolean;
  /**
   * Resolves when the client is ready, and its connection to the node that serves `key`. Rejects when `signal` aborts, when a
   * connection attempt fails, when the server refuses the client's credentials, and after about a second.
   * A command must not sit in a client's offline queue and be sent after its caller gave up (H27, H116).
   */
  whenReady(signal?: AbortSignal, key?: string): Promise<void>;
  /** Opens the connection for subscriptions; it reconnects by itself indefinitely. */
  openSubscriber(events: SubscriberEvents): RedisSubscriber;
  /** Where the binding owns the client: has it make a new connection, after the server of the present one became a replica. */
  reconnect?(): void;
  /** Closes the client if the binding opened it, in bounded time, the server being up or not. Idempotent. */
  close(): Promise<void>;
}

/** What a subscription connection reports. */
export interface SubscriberEvents {
  /** A message on the channel. */
  message(channel: string, text: string): void;
  /** The connection is up, for the first time or again: messages may have been missed, and subscriptions may be gone, or too many. */
  connected(): void;
}

/** A connection for subscriptions. */
export interface RedisSubscriber {
  /** False while a subscription would be queued instead of sent. */
  readonly ready: boolean;
  /** Resolves when the subscription stands at the server. Repeated: harmless. */
  subscribe(channel: string): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  /** Closes the connection at once. Idempotent. */
  close(): void;
}
