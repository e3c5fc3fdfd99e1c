import type { ClientEvents } from '../client-readiness.ts';

/** How one command is sent. */
export interface CommandOptions {
  readonly timeout?: number | undefined;
  readonly abortSignal?: AbortSignal | undefined;
  readonly typeMapping?: object;
}

/** Receives each message and its channel. */
export type MessageListener = (message: unknown, channel: unknown) => void;

/** The part of a `createClient` client that the adapter uses, for `redis` 5 and newer. */
export interface NodeRedisClient extends ClientEvents {
  readonly isOpen: boolean;
  readonly isReady: boolean;
  readonly options?: { readonly socket?: { readonly socketTimeout?: number } | undefined } | undefined;
  sendCommand(args: string[], options?: CommandOptions): Promise<unknown>;
  connect(): Promise<unknown>;
  destroy(): void;
  duplicate(overrides?: object): NodeRedisClient;
  withCommandOptions?(options: object): object;
  subscribe(channel: string, listener: MessageListener): Promise<unknown>;
  unsubscribe(channel: string, listener: MessageListener): Promise<unknown>;
}

/** The part of a `createCluster` client that the adapter uses. */
export interface NodeRedisCluster extends ClientEvents {
  readonly isOpen: boolean;
  /** Present in version 6 and newer. */
  readonly isReady?: boolean;
  /** The nodes, indexed by slot. */
  readonly slots: readonly { readonly master: NodeRedisClusterNode }[];
  /** Asks a node who serves which slots. Not public, but there is no other way to say that it is time. */
  readonly _slots?: { rediscover?(startWith: never): Promise<unknown> };
  sendCommand(
    firstKey: string | undefined,
    isReadonly: boolean | undefined,
    args: string[],
    options?: CommandOptions,
  ): Promise<unknown>;
  nodeClient(node: never): NodeSender | Promise<NodeSender>;
  connect(): Promise<unknown>;
  destroy(): void;
  sSubscribe(channel: string, listener: MessageListener): Promise<unknown>;
  sUnsubscribe(channel: string, listener: MessageListener): Promise<unknown>;
}

/** A node of a cluster. Its connection is opened when it is first needed. */
export interface NodeRedisClusterNode {
  readonly client?: NodeRedisNodeClient | undefined;
  /** The connection for subscriptions. */
  readonly pubSub?: { readonly client: NodeRedisNodeClient } | undefined;
  readonly address?: string | undefined;
}

/** A client that a cluster has made for one of its nodes. */
export interface NodeRedisNodeClient extends ClientEvents {
  readonly isReady: boolean;
  readonly isOpen: boolean;
  readonly options?: { readonly socket?: object | undefined } | undefined;
  sendCommand(args: string[]): Promise<unknown>;
}

/** The connection of a cluster to one of its nodes. */
export interface NodeSender {
  withCommandOptions?(options: object): object;
  sendCommand(args: string[], options?: CommandOptions): Promise<unknown>;
}

/** The part of a `createSentinel` client that the adapter uses. */
export interface NodeRedisSentinel extends ClientEvents {
  readonly isOpen: boolean;
  readonly isReady: boolean;
  getMasterNode(): unknown;
  sendCommand(isReadonly: boolean | undefined, args: string[]): Promise<unknown>;
  /** Calls `send` with a connection to the master, and again with another connection if the first one was lost. */
  _execute(
    isReadonly: boolean | undefined,
    send: (client: NodeSender & NodeRedisNodeClient) => Promise<unknown>,
  ): Promise<unknown>;
  connect(): Promise<unknown>;
  destroy(): void | Promise<void>;
  subscribe(channel: string, listener: MessageListener): Promise<unknown>;
  unsubscribe(channel: string, listener: MessageListener): Promise<unknown>;
}

/** Any client that the adapter works with. */
export type AnyNodeRedis = NodeRedisClient | NodeRedisCluster | NodeRedisSentinel;
