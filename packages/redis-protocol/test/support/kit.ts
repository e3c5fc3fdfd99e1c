import type { LockAdapter } from '@holdfast/lock-core';
import type { RedisClientBinding, RedisLockOptions, RedisTarget } from '@holdfast/redis-protocol';

/** Where a server, or a proxy before it, listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Where to connect to in a test. `natMap` says where the nodes of a cluster are reached instead of where they say. */
export type Target = RedisTarget<never> & {
  readonly natMap?: Readonly<Record<string, Address>>;
  /** Options of the client library, for the connections to servers. */
  readonly clientOptions?: object;
};

/** One client of one library, in the hands of a test as of an application. */
export interface TestClient {
  adapter(options?: RedisLockOptions): LockAdapter;
  binding(options?: { readonly ownsClient?: boolean }): RedisClientBinding;
  /** Whether the client still works. */
  works(): Promise<boolean>;
  /** How many event listeners stand on it. */
  listeners(): number;
  close(): Promise<void>;
}

/** A client library in one major version. */
export interface ClientKit {
  readonly name: string;
  /** The file that exports it among its `kits`, for child processes. */
  readonly file: string;
  /** Does not wait for the server. */
  connect(target: Target): TestClient;
  /** The adapter over something that may be no client. */
  adapterOf(client: unknown): LockAdapter;
  /** Options of the library, by name, that change the types of replies. */
  readonly replyOptions: Readonly<Record<string, object>>;
  /** As an application that has no client: the adapter owns it. */
  open(target: Target, options?: RedisLockOptions): LockAdapter;
}

export const single = ({ host, port }: Address): Target => ({ kind: 'single', nodes: [{ host, port }] });
