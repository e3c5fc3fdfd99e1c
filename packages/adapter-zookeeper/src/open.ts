import type { LockAdapter } from '@holdfast/lock-core';
import { zookeeperAdapter } from './adapter.ts';
import type { ZookeeperOptions } from './options.ts';

/** A ZooKeeper ensemble to connect to, for `openZookeeper`. */
export interface ZookeeperTarget {
  /** The servers, as `host:port,host:port`. */
  readonly servers: string;
  readonly chroot?: string | undefined;
  readonly options?: Omit<ZookeeperOptions, 'servers' | 'chroot'> | undefined;
}

/**
 * Creates an adapter with clients of its own, which it closes. It connects when it is first used, so servers that are down are
 * reported by the first request for a lock. `more` takes precedence over the options of the target.
 * @throws LockError LOCK_INVALID_ARGUMENT for an invalid target or option
 */
export function openZookeeper(
  { servers, chroot, options }: ZookeeperTarget,
  more: Omit<ZookeeperOptions, 'servers' | 'chroot'> = {},
): LockAdapter {
  return zookeeperAdapter({ ...options, ...more, servers, chroot });
}

/** For bundled applications: `openLocks(url, { adapters: [zookeeperAdapterFactory] })`. */
export const zookeeperAdapterFactory: { readonly name: 'zookeeper'; readonly open: typeof openZookeeper } = {
  name: 'zookeeper',
  open: openZookeeper,
};
