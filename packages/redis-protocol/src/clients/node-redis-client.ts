import type { ClientEvents } from '../client-readiness.ts';

/** How one command is sent. */
export interface CommandOptions {
  readonly timeout?: number | undefined;
  readonly abortSignal?: AbortSignal | undefined;
  readonly typeMapping?: object;
}

/** Gets each message and its channel. */
export type MessageListener = (message: unknown, channel: unknown) => void;

/** What the adapter uses of a client made by `createClient`, of any major version of `redis` from 5 on: a subset of its type. */
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

/** What the adapter uses of a client made by `createCluster`. */
export interface NodeRedisCluster extends ClientEvents {
  readonly isOpen: boolean;
  /** From version 6 on. */
  readonly isReady?: boolean;
  /** By slot. */
  readonly slots: readonly { readonly master: NodeRedisClusterNode }[];
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

/** A node of a cluster; its connection is made when it is first needed. */
export interface NodeRedisClusterNode {
  readonly client?: (ClientEvents & { readonly isReady: boolean; readonly isOpen: boolean }) | undefined;
  readonly address?: string | undefined;
}

/** One node's connection of a cluster. */
export interface NodeSender {
  withCommandOptions?(options: object): object;
  sendCommand(args: string[], options?: CommandOptions): Promise<unknown>;
}

/** What the adapter uses of a client made by `createSentinel`. */
export interface NodeRedisSentinel extends ClientEvents {
  readonly isOpen: boolean;
  readonly isReady: boolean;
  getMasterNode(): unknown;
  sendCommand(isReadonly: boolean | undefined, args: string[]): Promise<unknown>;
  /** Calls `send` with a connection to the master, and again with another when that one was lost. */
  _execute(
    isReadonly: boolean | undefined,
    send: (client: NodeSender & ClientEvents) => Promise<unknown>,
  ): Promise<unknown>;
  connect(): Promise<unknown>;
  destroy(): void | Promise<void>;
  subscribe(channel: string, listener: MessageListener): Promise<unknown>;
  unsubscribe(channel: string, listener: MessageListener): Promise<unknown>;
}

/** Any client that the adapter works with. */
export type AnyNodeRedis = NodeRedisClient | NodeRedisCluster | NodeRedisSentinel;
