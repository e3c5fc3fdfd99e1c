import { setTimeout as sleep } from 'node:timers/promises';
import { createLockSchema } from '@holdfast/adapter-postgres';
import { faultProxy } from '@holdfast/conformance/faults';
import {
  type FaultProxy,
  type RedisServer,
  type ServerProcess,
  startEtcd,
  startEtcdCluster,
  startPostgres,
  startPostgresStandby,
  startRedis,
  startRedisNodes,
  startRedisSentinel,
  startZookeeper,
  startZookeeperEnsemble,
} from '@holdfast/testbed';
import type { BackendId } from '../report/schema.ts';

/** Servers to which something is done, and how to reach them. */
export interface Deployment {
  readonly servers: readonly ServerProcess[];
  /** The lock URL for those servers, or for proxies in front of them in the same order. */
  urlOf(at: readonly At[]): string;
  stop(): Promise<void>;
}

export interface At {
  readonly host: string;
  readonly port: number;
}

export type FaultyBackend = Exclude<BackendId, 'memory'>;

const hosts = (at: readonly At[]): string => at.map(({ host, port }) => `${host}:${port}`).join(',');

const urls: Readonly<Record<FaultyBackend, (at: readonly At[], ttlMs: number) => string>> = {
  ioredis: (at) => `redis+ioredis://${hosts(at)}`,
  'node-redis': (at) => `redis+node-redis://${hosts(at)}`,
  redlock: (at) => `redlock+ioredis://${hosts(at)}`,
  // The session decides when a lock of a dead process is free.
  zookeeper: (at, ttlMs) => `zookeeper://${hosts(at)}?sessionTimeout=${ttlMs}ms`,
  etcd: (at) => `etcd://${hosts(at)}`,
  postgres: (at) => `postgres://postgres@${hosts(at)}/postgres?createSchema=true`,
};

/** What the comparison measures on: one server, five nodes for Redlock. */
export async function startPlain(backend: FaultyBackend, ttlMs: number): Promise<Deployment> {
  const urlOf = (at: readonly At[]): string => urls[backend](at, ttlMs);
  if (backend === 'redlock') {
    const { nodes, stop } = await startRedisNodes(5);
    return { servers: nodes, urlOf, stop };
  }
  const server = await start[backend]();
  return { servers: [server], urlOf, stop: () => server.stop() };
}

const start = {
  ...{ ioredis: startRedis, 'node-redis': startRedis, zookeeper: startZookeeper, etcd: startEtcd },
  postgres: () => startPostgres(),
};

/** Three servers with a leader. */
export async function startReplicated(
  backend: 'zookeeper' | 'etcd',
  ttlMs: number,
): Promise<Deployment & { leader(): Promise<ServerProcess> }> {
  const urlOf = (at: readonly At[]): string => urls[backend](at, ttlMs);
  if (backend === 'zookeeper') {
    const { servers, leader, stop } = await startZookeeperEnsemble();
    return { servers, urlOf, leader, stop };
  }
  const { members, leader, stop } = await startEtcdCluster();
  return { servers: members, urlOf, leader, stop };
}

export interface SentinelDeployment {
  readonly master: RedisServer;
  readonly replicas: readonly RedisServer[];
  readonly url: string;
  stop(): Promise<void>;
}

/** A master, two replicas and three sentinels. */
export async function startSentinel(
  client: 'ioredis' | 'node-redis',
  waitReplicas: number,
): Promise<SentinelDeployment> {
  const { master, replicas, sentinels, masterName, stop } = await startRedisSentinel();
  const wait = waitReplicas > 0 ? `?waitReplicas=${waitReplicas}` : '';
  return { master, replicas, url: `redis+sentinel+${client}://${hosts(sentinels)}/${masterName}${wait}`, stop };
}

export interface StandbyDeployment {
  readonly url: string;
  /** From now on the standby hears of no commit. */
  cutOff(): Promise<void>;
  /** The primary dies, and clients reach the standby in its place. */
  failOver(): Promise<void>;
  stop(): Promise<void>;
}

/** A primary with a standby, behind an address that moves with a failover. */
export async function startStandby(synchronous: boolean): Promise<StandbyDeployment> {
  const primary = await startPostgres();
  await createLockSchema({ url: primary.url, callTimeoutMs: 20_000 });
  const standby = await startPostgresStandby(primary);
  const proxy = await faultProxy(primary);
  const replication = async (): Promise<string | undefined> =>
    (await primary.query('SELECT sync_state FROM pg_stat_replication'))[0]?.sync_state;
  if (synchronous) await primary.query(`ALTER SYSTEM SET synchronous_standby_names = 'standby'`);
  if (synchronous) await primary.query('SELECT pg_reload_conf()');
  await until(async () => (await replication()) === (synchronous ? 'sync' : 'async'));
  return {
    url: urls.postgres([proxy], 0),
    async cutOff() {
      await standby.query(`ALTER SYSTEM SET primary_conninfo = ''`);
      await standby.query('SELECT pg_reload_conf()');
      await until(async () => (await replication()) === undefined);
    },
    async failOver() {
      await primary.kill();
      await standby.query('SELECT pg_promote(false)');
      await until(async () => !(await standby.query('SELECT pg_is_in_recovery() AS waits'))[0]?.waits);
      proxy.target(standby);
    },
    async stop() {
      await proxy.close();
      for (const server of [standby, primary]) await server.stop();
    },
  };
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(20);
}

/** A proxy in front of each server. */
export async function proxiesFor({ servers, urlOf }: Deployment): Promise<{ url: string; proxies: FaultProxy[] }> {
  const proxies = await Promise.all(servers.map((server) => faultProxy(server)));
  return { url: urlOf(proxies), proxies };
}
