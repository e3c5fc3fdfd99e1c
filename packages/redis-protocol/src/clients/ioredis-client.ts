import type { ClientEvents } from '../client-readiness.ts';

/** The part of the options that the adapter reads. */
export interface IoredisOptions {
  readonly keyPrefix?: string | undefined;
  readonly db?: number | undefined;
  readonly commandTimeout?: number | undefined;
  readonly socketTimeout?: number | undefined;
}

/** What the adapter uses of an ioredis `Redis`, of any major version: a subset of its type. */
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

/** What the adapter uses of an ioredis `Cluster`. */
export interface IoredisCluster extends ClientEvents {
  readonly status: string;
  readonly options: {
    readonly keyPrefix?: string | undefined;
    readonly natMap?: unknown;
    readonly redisOptions?: IoredisOptions | undefined;
  };
  /** Which nodes serve each slot, the master first, as `host:port`. */
  readonly slots: readonly (readonly string[])[];
  nodes(role?: 'master' | 'all'): readonly IoredisNode[];
  call(command: string, args: (string | Buffer | number)[]): Promise<unknown>;
  disconnect(): void;
  duplicate(startupNodes?: never[], override?: object): IoredisCluster;
  ssubscribe(...channels: string[]): Promise<unknown>;
  sunsubscribe(...channels: string[]): Promise<unknown>;
}
