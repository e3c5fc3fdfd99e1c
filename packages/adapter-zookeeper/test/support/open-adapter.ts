import type { LockAdapter } from '@holdfast/lock-core';
import { type ZookeeperOptions, zookeeperAdapter } from '../../src/index.ts';

/** A client of another process, as the conformance suite asks for it. */
export const openAdapter = (options: ZookeeperOptions): LockAdapter => zookeeperAdapter(options);
