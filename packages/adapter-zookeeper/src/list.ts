import type { KeysPage } from '@holdfast/lock-core';
import { keyOf } from './names.ts';
import type { Zookeeper } from './zookeeper.ts';

/** All locks at once: ZooKeeper tells the children of a node only as a whole. Nodes of free locks are there for a while too. */
export async function keysPage(zookeeper: Zookeeper, root: string): Promise<KeysPage> {
  const names = await zookeeper.children(root, 'fresh');
  return { keys: names.map(keyOf).filter((key) => key !== undefined), next: undefined };
}
