import type { ClientEvents } from '../client-readiness.ts';

/** What the adapter uses of an ioredis `Redis`, of any major version: a subset of its type. */
export interface IoredisClient extends ClientEvents {
  readonly status: string;
  /** The socket; absent until the first connection. */
  readonly stream?: { cork(): void; uncork(): void } | undefined;
  readonly options: { readonly keyPrefix?: string | undefined };
  call(command: string, args: (string | Buffer | number)[]): Promise<unknown>;
  disconnect(): void;
  duplicate(override?: object): IoredisClient;
  subscribe(...channels: string[]): Promise<unknown>;
  unsubscribe(...channels: string[]): Promise<unknown>;
}

/** What the adapter uses of an ioredis `Cluster`. */
export interface IoredisCluster extends ClientEvents {
  readonly status: string;
  readonly options: {
    readonly keyPrefix?: string | undefined;
    readonly redisOptions?: { readonly keyPrefix?: string } | undefined;
  };
  /** Which nodes serve each slot, the master first, as `host:port`. */
  readonly slots: readonly (readonly string[])[];
  nodes(
    role?: 'master',
  ): readonly (IoredisClient & { readonly options: { readonly host?: string; readonly port?: number } })[];
  call(command: string, args: (string | Buffer | number)[]): Promise<unknown>;
  disconnect(): void;
  duplicate(startupNodes?: never[], override?: object): IoredisCluster;
  ssubscribe(...channels: string[]): Promise<unknown>;
  sunsubscribe(...channels: string[]): Promise<unknown>;
}
