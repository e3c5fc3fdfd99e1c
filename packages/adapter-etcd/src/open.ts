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
 * Makes an adapter with clients of its own, which it closes. It connects in the background, so a cluster that is down is reported by
 * the first request for a lock.
 * @throws LockError LOCK_INVALID_ARGUMENT for an invalid target or option.
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
