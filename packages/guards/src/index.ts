export { type EtcdOperation, type EtcdWriter, fencedEtcdWrite } from './etcd.ts';
export { fencedRedisWrite, type RedisWrite, type RedisWriter } from './redis.ts';
export { fencedSqlWrite, type SqlClient, sqlFenceStatement, sqlFenceTable } from './sql.ts';
export type { FencingToken } from './token.ts';
export { fencedZookeeperWrite, type ZookeeperTransaction, type ZookeeperWriter } from './zookeeper.ts';
