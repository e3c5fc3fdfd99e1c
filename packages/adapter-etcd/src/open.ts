import type { LockAdapter } from '@holdfast/lock-core';
import { etcdAdapter } from './adapter.ts';
import type { EtcdLockOptions } from './options.ts';

/** An etcd cluster to connect to, for `openEtcd`. */
export interface EtcdTarget {
  /** The members, each `host:port`. */
  readonly hosts: readonly string[];
  readonly prefix?: string | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Whether to connect with TLS, default false; certificates are among the options. */
  readonly tls?: boolean | undefined;
}

/**
 * Connects to an etcd cluster and makes an adapter that closes its clients again. Connecting goes on in the background; a
 * cluster that is down shows when a lock is asked for.
 * @throws LockError LOCK_INVALID_ARGUMENT for a target or an option that makes no sense.
 */
export function openEtcd(target: EtcdTarget, options: EtcdLockOptions = {}): LockAdapter {
  const { hosts, prefix, username, password, tls } = target;
  return etcdAdapter({ hosts, prefix, username, password, tls, ...options });
}

/** For applications that are bundled: `openLocks(url, { adapters: [etcdAdapterFactory] })`. */
export const etcdAdapterFactory: { readonly name: 'etcd'; readonly open: typeof openEtcd } = {
  name: 'etcd',
  open: openEtcd,
};
