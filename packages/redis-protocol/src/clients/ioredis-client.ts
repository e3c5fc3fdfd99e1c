import type { ClientEvents } from '../client-readiness.ts';

/** The options of an ioredis client that the adapter reads. */
export interface IoredisOptions {
  readonly keyPrefix?: string | undefined;
  readonly db?: number | undefined;
  readonly commandTimeout?: number | undefined;
  readonly socketTimeout?: number | undefined;
}

/** The part of an ioredis `Redis` that the adapter uses, for any major version of ioredis. */
export interface IoredisClient extends ClientEvents {
  readonly status: string;
  /** The socket; absent until the first connection. */
  readonly stream?: { readonly writable?: boolean; cork(): void; uncork(): void } | undefined;
  readonly options: IoredisOptions;
  call(command: string, args: (string | Buffer | number)[]): Promise<unknown>;
  disconnect(reconnect?: boolean): void;
  duplicate(override?: object): IoredisClient;
  subscribe(...channels: string[]): Promise<unknown>;
  unsubscribe(...channels: string[]): Promise<unknown>;
}

/** A node of an ioredis `Cluster`. */
export type IoredisNode = IoredisClient & {
  readonly options: { readonly host?: string | undefined; readonly port?: number | undefined };
};

/** The part of an ioredis `Cluster` that the adapter uses. */
export interface IoredisCluster extends ClientEvents {
  readonly status: string;
  readonly options: {
    readonly keyPrefix?: string | undefined;
    readonly natMap?: unknown;
    readonly redisOptions?: IoredisOptions | undefined;
  };
  /** The nodes that serve each slot, as `host:port`, the master first. */
  readonly slots: readonly (readonly string[])[];
  nodes(role?: 'master' | 'all'): readonly IoredisNode[];
  call(command: string, args: (string | Buffer | number)[]): Promise<unknown>;
  disconnect(): void;
  duplicate(startupNodes?: never[], override?: object): IoredisCluster;
  ssubscribe(...channels: string[]): Promise<unknown>;
  sunsubscribe(...channels: string[]): Promise<unknown>;
}
