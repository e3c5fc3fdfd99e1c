import { startEtcd, startPostgres, startRedis, startRedisNodes, startZookeeper } from '@holdfast/testbed';

interface Started {
  readonly url: string;
  stop(): Promise<void>;
}

/** A backend that `--all` starts by itself. */
export interface Backend {
  readonly name: string;
  readonly processes: number;
  start(): Promise<Started>;
}

/** Every backend that there is. To add one: a line here, and its adapter and client among the dependencies. */
export const backends: readonly Backend[] = [
  { name: 'memory', processes: 1, start: async () => ({ url: 'memory:', stop: async () => {} }) },
  { name: 'Redis, ioredis', processes: 4, start: () => redis('redis+ioredis') },
  { name: 'Redis, node-redis', processes: 4, start: () => redis('redis+node-redis') },
  { name: 'Redlock, 5 nodes', processes: 4, start: () => redlock(5) },
  { name: 'ZooKeeper', processes: 4, start: () => startZookeeper() },
  { name: 'etcd', processes: 4, start: startEtcd },
  { name: 'PostgreSQL', processes: 4, start: postgres },
];

async function redis(scheme: string): Promise<Started> {
  const server = await startRedis();
  return { url: `${scheme}://${server.host}:${server.port}`, stop: () => server.stop() };
}

async function postgres(): Promise<Started> {
  const server = await startPostgres();
  return { url: `${server.url}?createSchema=true`, stop: () => server.stop() };
}

async function redlock(count: number): Promise<Started> {
  const group = await startRedisNodes(count);
  const nodes = group.nodes.map((node) => `${node.host}:${node.port}`);
  return { url: `redlock://${nodes.join(',')}`, stop: () => group.stop() };
}
