import type { LockAdapter } from '@holdfast/lock-core';
import { etcdAdapter } from './adapter.ts';
import type { EtcdLockOptions } from './options.ts';

/** An etcd cluster to connect to, for `openEtcd`. */
export interface EtcdTarget {
  /** The members, each as `host:port`. */
  readonly hosts: readonly string[];
  readonly prefix?: string | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Whether to connect with TLS, default false. Pass certificates in the options. */
  readonly tls?: boolean | undefined;
}

/**
 * Creates an adapter with clients of its own, which it closes. It connects in the background, so a cluster that is down is reported by
 * the first request for a lock. `options` take precedence over the target.
 * @throws LockError LOCK_INVALID_ARGUMENT for an invalid target or option.
 */
export function openEtcd(target: EtcdTarget, options: EtcdLockOptions = {}): LockAdapter {
  const { hosts, prefix, username, password, tls } = target;
  return etcdAdapter({ hosts, prefix, username, password, tls, ...options });
}

/** For bundled applications: `openLocks(url, { adapters: [etcdAdapterFactory] })`. */
export const etcdAdapterFactory: { readonly name: 'etcd'; readonly open: typeof openEtcd } = {
  name: 'etcd',
  open: openEtcd,
};
