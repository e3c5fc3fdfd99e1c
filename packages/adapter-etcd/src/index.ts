export { etcdAdapter } from './adapter.ts';
export { type EtcdTarget, etcdAdapterFactory, openEtcd } from './open.ts';
export type { EtcdLockOptions, EtcdTls } from './options.ts';
