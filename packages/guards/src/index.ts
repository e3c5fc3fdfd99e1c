export { type EtcdOperation, type EtcdWriter, fencedEtcdWrite } from './etcd.ts';
export { fencedRedisWrite, type RedisWrite, type RedisWriter } from './redis.ts';
export { fencedSqlWrite, sqlFenceCheckStatement, sqlFenceStatement, sqlFenceTable } from './sql.ts';
export type { SqlClient } from './sql-connection.ts';
export type { FencingToken } from './token.ts';
export { fencedZookeeperWrite, type ZookeeperTransaction, type ZookeeperWriter } from './zookeeper.ts';
