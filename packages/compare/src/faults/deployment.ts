import { faultProxy } from '@holdfast/conformance/faults';
import {
  type FaultProxy,
  type RedisServer,
  type ServerProcess,
  startEtcd,
  startEtcdCluster,
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

const start = { ioredis: startRedis, 'node-redis': startRedis, zookeeper: startZookeeper, etcd: startEtcd };

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

/** A proxy in front of each server. */
export async function proxiesFor({ servers, urlOf }: Deployment): Promise<{ url: string; proxies: FaultProxy[] }> {
  const proxies = await Promise.all(servers.map((server) => faultProxy(server)));
  return { url: urlOf(proxies), proxies };
}
