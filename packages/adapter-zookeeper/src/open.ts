import type { LockAdapter } from '@holdfast/lock-core';
import { zookeeperAdapter } from './adapter.ts';
import type { ZookeeperOptions } from './options.ts';

/** Which ensemble to use, as a configuration names it. */
export interface ZookeeperTarget {
  /** `host:port,host:port` */
  readonly servers: string;
  readonly chroot?: string | undefined;
  readonly options?: Omit<ZookeeperOptions, 'servers' | 'chroot'> | undefined;
}

/**
 * Makes an adapter for a target. Connecting waits for the first call; servers that are down show when a lock is asked for.
 * @throws LockError LOCK_INVALID_ARGUMENT for a target or an option that makes no sense.
 */
export function openZookeeper(
  { servers, chroot, options }: ZookeeperTarget,
  more: Omit<ZookeeperOptions, 'servers' | 'chroot'> = {},
): LockAdapter {
  return zookeeperAdapter({ ...options, ...more, servers, chroot });
}

/** For applications that are bundled: `openLocks(url, { adapters: [zookeeperAdapterFactory] })`. */
export const zookeeperAdapterFactory: { readonly name: 'zookeeper'; readonly open: typeof openZookeeper } = {
  name: 'zookeeper',
  open: openZookeeper,
};
