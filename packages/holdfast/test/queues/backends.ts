import {
  type RedisServer,
  startEtcd,
  startPostgres,
  startRedis,
  startRedisCluster,
  startRedisNodes,
  startRedisSentinel,
  startZookeeper,
} from '@holdfast/testbed';
import { Etcd3 } from 'etcd3';
import zookeeper from 'node-zookeeper-client';

/** A backend whose queues an operator can reach. */
export interface Reachable {
  readonly url: string;
  /** Deletes by hand those who wait for the key, and nothing else; gives how much it has deleted. */
  deleteWaiters(key: string): Promise<number>;
  /** On Redis: sets the key as another library does, unless it is there, or deletes it; on how many servers it did. */
  foreign?(what: 'set' | 'delete', key: string): Promise<number>;
  stop(): Promise<void>;
}

export interface BackendKind {
  readonly name: string;
  start(): Promise<Reachable>;
}

const addresses = (nodes: readonly RedisServer[]): string => nodes.map(({ host, port }) => `${host}:${port}`).join(',');

/** The queue of a key on Redis and on the nodes of Redlock; in a cluster one node has it. */
async function deleteQueue(nodes: readonly RedisServer[], key: string): Promise<number> {
  const names = [`fence:queue:{lock:${key}}`, `fence:places:{lock:${key}}`];
  // A node of a cluster that has not the key says where it is.
  const counts = await Promise.all(nodes.map((node) => node.command('DEL', ...names).catch(() => 0)));
  return counts.reduce<number>((sum, count) => sum + Number(count), 0);
}

const foreignOn =
  (nodes: readonly RedisServer[]): Reachable['foreign'] =>
  async (what, key) => {
    const name = `lock:${key}`;
    const words = what === 'set' ? ['SET', name, 'foreign', 'NX', 'PX', 60_000] : ['DEL', name];
    // As above.
    const replies = await Promise.all(nodes.map((node) => node.command(...(words as [string])).catch(() => null)));
    return replies.filter((reply) => reply === 'OK' || reply === 1).length;
  };

const redis = (client: string): BackendKind[] => [
  {
    name: `Redis, ${client}`,
    async start() {
      const server = await startRedis();
      const url = `redis+${client}://${addresses([server])}`;
      const foreign = foreignOn([server]);
      return { url, foreign, deleteWaiters: (key) => deleteQueue([server], key), stop: () => server.stop() };
    },
  },
  {
    name: `Redis Cluster, ${client}`,
    async start() {
      const { nodes, stop } = await startRedisCluster();
      const url = `redis+cluster+${client}://${addresses(nodes)}`;
      return { url, foreign: foreignOn(nodes), deleteWaiters: (key) => deleteQueue(nodes, key), stop };
    },
  },
  {
    name: `Redis Sentinel, ${client}`,
    async start() {
      const { master, sentinels, masterName, replaceAfter, stop } = await startRedisSentinel();
      await replaceAfter(60_000);
      const url = `redis+sentinel+${client}://${addresses(sentinels)}/${masterName}`;
      return { url, foreign: foreignOn([master]), deleteWaiters: (key) => deleteQueue([master], key), stop };
    },
  },
];

async function startReachableEtcd(): Promise<Reachable> {
  const server = await startEtcd();
  const client = new Etcd3({ hosts: `${server.host}:${server.port}` });
  return {
    url: server.url,
    async deleteWaiters(key) {
      const keys = await client.getAll().prefix(`locks/${key}/`).sort('Create', 'Ascend').keys();
      for (const waiter of keys.slice(1)) await client.delete().key(waiter);
      return Math.max(0, keys.length - 1);
    },
    async stop() {
      client.close();
      await server.stop();
    },
  };
}

async function startReachableZookeeper(): Promise<Reachable> {
  const server = await startZookeeper();
  const client = zookeeper.createClient(`${server.host}:${server.port}`, { sessionTimeout: 30_000 });
  await new Promise<void>((resolve) => {
    client.once('connected', resolve);
    client.connect();
  });
  const children = (path: string): Promise<string[]> =>
    new Promise((resolve, reject) => {
      client.getChildren(path, (error, names) => (error ? reject(error) : resolve(names)));
    });
  // Gone already is as good.
  const remove = (path: string): Promise<void> => new Promise((resolve) => client.remove(path, -1, () => resolve()));
  return {
    url: `${server.url}?sessionTimeout=10s`,
    async deleteWaiters(key) {
      const number = (name: string): number => Number(name.slice(-10));
      const names = (await children(`/locks/${key}`)).sort((a, b) => number(a) - number(b));
      for (const name of names.slice(1)) await remove(`/locks/${key}/${name}`);
      return Math.max(0, names.length - 1);
    },
    async stop() {
      client.close();
      await server.stop();
    },
  };
}

async function startReachablePostgres(): Promise<Reachable> {
  const server = await startPostgres();
  return {
    url: `${server.url}?createSchema=true`,
    async deleteWaiters(key) {
      const deleted = await server.query(
        "DELETE FROM holdfast.place WHERE convert_from(key, 'UTF8') = $1 RETURNING 1",
        [key],
      );
      return deleted.length;
    },
    stop: () => server.stop(),
  };
}

/** Every backend, Redis in each topology and with both clients. */
export const backends: readonly BackendKind[] = [
  ...redis('ioredis'),
  ...redis('node-redis'),
  {
    name: 'Redlock',
    async start() {
      const { nodes, stop } = await startRedisNodes(5);
      const url = `redlock://${addresses(nodes)}`;
      return { url, foreign: foreignOn(nodes), deleteWaiters: (key) => deleteQueue(nodes, key), stop };
    },
  },
  { name: 'ZooKeeper', start: startReachableZookeeper },
  { name: 'etcd', start: startReachableEtcd },
  { name: 'PostgreSQL', start: startReachablePostgres },
];
