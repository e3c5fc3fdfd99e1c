import {
  type RedisServer,
  startEtcd,
  startPostgres,
  startRedis,
  startRedisNodes,
  startZookeeper,
} from '@holdfast/testbed';
import type { Machine } from '../machine.ts';
import type { BackendId } from '../report/schema.ts';
import {
  etcdMemory,
  etcdRequests,
  etcdVersion,
  postgresRequests,
  postgresTableBytes,
  postgresVersion,
  processCpuSeconds,
  redisCounters,
  redisMemory,
  redisVersion,
  serverCpuSeconds,
  zookeeperDataSize,
  zookeeperRequests,
  zookeeperVersion,
} from '../servers.ts';
import type { RedisClientName } from '../subjects/subject.ts';
import type { RunningBackend, ServerMeter } from './running-backend.ts';

/** 10,000 waiters for one key ask for 10,000 names each. */
const heapMb = 1_024;

type Start = (clients: Machine['clients']) => Promise<RunningBackend>;

/** Starts the servers of each backend; `clients` are the versions of the client libraries. */
export const startBackend: Readonly<Record<BackendId, Start>> = {
  memory: async () => ({
    id: 'memory',
    title: 'Memory',
    client: 'none',
    server: 'none: one process only',
    servers: 0,
    holdfast: { kind: 'memory' },
    raw: { spec: { kind: 'async-mutex' }, what: 'async-mutex, which has no lease and no token' },
    maxProcesses: 1,
    meter: undefined,
    stop: async () => {},
  }),
  ioredis: (clients) => redis('ioredis', 'Redis (ioredis)', 'ioredis 6', `ioredis ${clients.ioredis}`),
  'node-redis': (clients) => redis('node-redis', 'Redis (node-redis)', 'node-redis 6', `node-redis ${clients.redis}`),

  async redlock(clients) {
    const { nodes, stop } = await startRedisNodes(5);
    const ports = nodes.map(({ port }) => port);
    return {
      id: 'redlock',
      title: 'Redlock',
      client: `ioredis ${clients.ioredis}`,
      server: `5 x ${await redisVersion(nodes[0]!)}, append-only file without sync`,
      servers: 5,
      holdfast: { kind: 'redlock', ports },
      raw: {
        spec: { kind: 'redlock raw', ports },
        what: 'SET NX PX on all nodes at once until a majority agrees, EVALSHA that deletes on all; no drift, no token',
      },
      maxProcesses: 4,
      meter: redisMeter(nodes),
      stop,
    };
  },

  async zookeeper(clients) {
    const server = await startZookeeper({ heapMb });
    const { port, pid } = server;
    return {
      id: 'zookeeper',
      title: 'ZooKeeper',
      client: `node-zookeeper-client ${clients['node-zookeeper-client']}`,
      server: `${await zookeeperVersion(server)}, one server, ticks of 500 ms, each write synced to disk, up to ${heapMb} MiB of Java heap`,
      servers: 1,
      holdfast: { kind: 'zookeeper', port },
      raw: {
        spec: { kind: 'zookeeper raw', port },
        what: 'create, getChildren together with exists of the own node, remove',
      },
      maxProcesses: 4,
      meter: {
        requests: () => zookeeperRequests(server),
        cpuSeconds: () => processCpuSeconds([pid]),
        bytes: () => zookeeperDataSize(server),
      },
      stop: () => server.stop(),
    };
  },

  async etcd(clients) {
    const server = await startEtcd();
    const { port, pid } = server;
    return {
      id: 'etcd',
      title: 'etcd',
      client: `etcd3 ${clients.etcd3}`,
      server: `${await etcdVersion(server)}, one member, each write synced to disk`,
      servers: 1,
      holdfast: { kind: 'etcd', port },
      raw: {
        spec: { kind: 'etcd raw', port },
        what: 'two transactions (create if absent, delete if mine) under one shared lease',
      },
      maxProcesses: 4,
      meter: {
        requests: () => etcdRequests(server),
        cpuSeconds: () => processCpuSeconds([pid]),
        bytes: () => etcdMemory(server),
      },
      stop: () => server.stop(),
    };
  },

  async postgres(clients) {
    const server = await startPostgres({ settings: { fsync: 'on' } });
    const { port } = server;
    return {
      id: 'postgres',
      title: 'PostgreSQL',
      client: `pg ${clients.pg}`,
      server: `${await postgresVersion(server)}, one server, each commit synced to disk`,
      servers: 1,
      holdfast: { kind: 'postgres', port },
      raw: {
        spec: { kind: 'postgres raw', port },
        what: 'INSERT … ON CONFLICT, DELETE, prepared; no end to the lock of a crashed process, no token',
      },
      maxProcesses: 4,
      meter: {
        requests: () => postgresRequests(server),
        cpuSeconds: () => serverCpuSeconds(server),
        bytes: () => postgresTableBytes(server),
      },
      stop: () => server.stop(),
    };
  },
};

async function redis(
  id: BackendId,
  title: string,
  client: RedisClientName,
  clientVersion: string,
): Promise<RunningBackend> {
  const server = await startRedis({ args: ['--appendonly', 'no'] });
  const { port } = server;
  return {
    id,
    title,
    client: clientVersion,
    server: `${await redisVersion(server)}, one server, no persistence`,
    servers: 1,
    holdfast: { kind: 'redis', client, port, fencing: true },
    raw: { spec: { kind: 'redis raw', client, port }, what: 'SET NX PX, EVALSHA that deletes; no token' },
    maxProcesses: 4,
    meter: redisMeter([server]),
    stop: () => server.stop(),
  };
}

export function redisMeter(nodes: readonly RedisServer[]): ServerMeter {
  const sum = async (of: (node: RedisServer) => Promise<number>): Promise<number> =>
    (await Promise.all(nodes.map(of))).reduce((total, value) => total + value, 0);
  return {
    requests: () => sum(async (node) => (await redisCounters(node)).commands),
    cpuSeconds: () => sum(async (node) => (await redisCounters(node)).cpuSeconds),
    bytes: () => sum(redisMemory),
  };
}
