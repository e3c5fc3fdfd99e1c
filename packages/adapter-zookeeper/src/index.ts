export { zookeeperAdapter } from './adapter.ts';
export type {
  AclEntry,
  ClientFactory,
  ClientOptions,
  ClientRequest,
  ConnectionManager,
  NodeStat,
  ZookeeperClient,
} from './client.ts';
export { openZookeeper, type ZookeeperTarget } from './open.ts';
export type { ZookeeperOptions } from './options.ts';
