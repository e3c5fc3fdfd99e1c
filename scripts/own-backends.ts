import {
  type ServerProcess,
  startEtcd,
  startEtcdCluster,
  startPostgres,
  startRedis,
  startRedisCluster,
  startRedisNodes,
  startRedisSentinel,
  startZookeeper,
  startZookeeperEnsemble,
} from '@holdfast/testbed';
import type { Hooks } from '../packages/conformance/src/index.ts';

/** A backend of ours that was started for a report. */
export interface Started {
  /** What the command is told to check: a lock URL, or a module with a harness. */
  readonly target: string;
  /** Those without which nothing is answered. */
  readonly servers: readonly ServerProcess[];
  /** What may be done to its servers, beyond what the harness can do. */
  readonly hooks: Hooks;
  stop(): Promise<void>;
}

/** One adapter on one kind of deployment. */
export interface OwnBackend {
  /** The name of its files in `docs/conformance`. */
  readonly name: string;
  readonly title: string;
  /** Whether `pnpm stress` takes it: the others are the same adapter on servers that a proxy cannot stand before. */
  readonly stress: boolean;
  start(): Promise<Started>;
}

/** Every adapter of ours, on what it runs on. To add one: a line here. */
export const ownBackends: readonly OwnBackend[] = [
  { name: 'memory', title: 'memory', stress: true, start: memory },
  { name: 'ioredis', title: 'Redis, ioredis', stress: true, start: () => redis('redis+ioredis') },
  { name: 'node-redis', title: 'Redis, node-redis', stress: true, start: () => redis('redis+node-redis') },
  { name: 'ioredis-cluster', title: 'Redis Cluster, ioredis', stress: false, start: () => cluster('ioredis') },
  { name: 'node-redis-cluster', title: 'Redis Cluster, node-redis', stress: false, start: () => cluster('node-redis') },
  { name: 'ioredis-sentinel', title: 'Redis Sentinel, ioredis', stress: false, start: () => sentinel('ioredis') },
  { name: 'redlock', title: 'Redlock, 5 nodes', stress: true, start: redlock },
  { name: 'zookeeper', title: 'ZooKeeper', stress: true, start: zookeeper },
  { name: 'zookeeper-ensemble', title: 'ZooKeeper, 3 servers', stress: false, start: ensemble },
  { name: 'etcd', title: 'etcd', stress: true, start: etcd },
  { name: 'etcd-cluster', title: 'etcd, 3 members', stress: false, start: members },
  { name: 'postgres', title: 'PostgreSQL', stress: true, start: postgres },
];

const hostsOf = (servers: readonly ServerProcess[]): string =>
  servers.map(({ host, port }) => `${host}:${port}`).join(',');

const disturb = (servers: readonly ServerProcess[]): Hooks => ({
  async freeze() {
    for (const server of servers) server.freeze();
    return () => servers.forEach((server) => void server.thaw());
  },
  async restart() {
    await Promise.all(servers.map((server) => server.restart()));
  },
});

async function memory(): Promise<Started> {
  return { target: 'memory:', servers: [], hooks: {}, stop: async () => {} };
}

async function redis(scheme: string): Promise<Started> {
  const server = await startRedis();
  return {
    target: `${scheme}://${hostsOf([server])}`,
    servers: [server],
    hooks: disturb([server]),
    stop: () => server.stop(),
  };
}

async function cluster(client: string): Promise<Started> {
  const { nodes, stop } = await startRedisCluster();
  return { target: `redis+cluster+${client}://${hostsOf(nodes)}`, servers: nodes, hooks: disturb(nodes), stop };
}

async function sentinel(client: string): Promise<Started> {
  const { master, replicas, sentinels, masterName, replaceAfter, stop } = await startRedisSentinel();
  await replaceAfter(60_000);
  const target = `redis+sentinel+${client}://${hostsOf(sentinels)}/${masterName}`;
  return { target, servers: [master, ...replicas], hooks: {}, stop };
}

async function redlock(): Promise<Started> {
  const { nodes, stop } = await startRedisNodes(5);
  return { target: `redlock://${hostsOf(nodes)}`, servers: nodes, hooks: disturb(nodes), stop };
}

// Short enough that the locks of killed processes come free soon, long enough for a machine that does much else.
const sessionTimeout = 'sessionTimeout=10s';

async function zookeeper(): Promise<Started> {
  const server = await startZookeeper();
  return {
    target: `zookeeper://${hostsOf([server])}?${sessionTimeout}`,
    servers: [server],
    hooks: disturb([server]),
    stop: () => server.stop(),
  };
}

async function ensemble(): Promise<Started> {
  const { servers, leader, stop } = await startZookeeperEnsemble();
  const hooks = { ...disturb(servers), failover: () => replaced(leader) };
  return { target: `zookeeper://${hostsOf(servers)}?${sessionTimeout}`, servers, hooks, stop };
}

async function etcd(): Promise<Started> {
  const server = await startEtcd();
  return {
    target: `etcd://${hostsOf([server])}`,
    servers: [server],
    hooks: disturb([server]),
    stop: () => server.stop(),
  };
}

async function members(): Promise<Started> {
  const { members, leader, stop } = await startEtcdCluster();
  return {
    target: `etcd://${hostsOf(members)}`,
    servers: members,
    hooks: { ...disturb(members), failover: () => replaced(leader) },
    stop,
  };
}

/** Kills the leader; it comes back once another one leads. */
async function replaced(leader: () => Promise<ServerProcess>): Promise<void> {
  const killed = await leader();
  await killed.kill();
  await leader();
  await killed.restart();
}

async function postgres(): Promise<Started> {
  const server = await startPostgres();
  return {
    target: `postgres://postgres@${hostsOf([server])}/postgres?createSchema=true`,
    servers: [server],
    hooks: disturb([server]),
    stop: () => server.stop(),
  };
}
