import type { BackendName } from '../schedule/types.ts';
import type { BackendModel } from './backend.ts';
import { etcdModel } from './etcd.ts';
import { memoryModel } from './memory.ts';
import { postgresModel } from './postgres.ts';
import { redisModel } from './redis.ts';
import { redlockModel } from './redlock.ts';
import { zookeeperModel } from './zookeeper.ts';

/** The models, by the name of their backend. */
export const models: Readonly<Record<BackendName, BackendModel>> = {
  memory: memoryModel,
  redis: redisModel,
  redlock: redlockModel,
  zookeeper: zookeeperModel,
  etcd: etcdModel,
  postgres: postgresModel,
} as never;
