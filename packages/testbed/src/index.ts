export { type FaultProxy, faultProxy } from '@holdfast/conformance/faults';
export { type Binary, binary } from './binaries.ts';
export { type Certificates, makeCertificates } from './certificates.ts';
export { type EtcdCluster, type EtcdOptions, type EtcdServer, startEtcd, startEtcdCluster } from './etcd.ts';
export { startEtcdGrpcProxy } from './etcd-grpc-proxy.ts';
export { type EtcdUsers, enableEtcdUsers } from './etcd-users.ts';
export { startPgbouncer } from './pgbouncer.ts';
export { type PostgresOptions, type PostgresServer, startPostgres, startPostgresStandby } from './postgres.ts';
export { type PostgresMajor, postgresMajors } from './postgres-builds.ts';
export { type PostgresTlsServer, startPostgresTls } from './postgres-tls.ts';
export { type RedisGroup, type RedisOptions, type RedisServer, startRedis, startRedisNodes } from './redis.ts';
export { type ReplicatedRedisCluster, startRedisCluster, startReplicatedRedisCluster } from './redis-cluster.ts';
export { type RedisSentinel, startRedisSentinel } from './redis-sentinel.ts';
export { type RedisTlsServer, startRedisTls } from './redis-tls.ts';
export type { ServerProcess } from './server-process.ts';
export {
  startZookeeper,
  startZookeeperEnsemble,
  type ZookeeperEnsemble,
  type ZookeeperOptions,
  type ZookeeperServer,
} from './zookeeper.ts';
