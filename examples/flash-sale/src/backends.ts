import { startRedis } from '@holdfast/testbed';

/** A backend that `--all` starts by itself. */
export interface Backend {
  readonly name: string;
  readonly processes: number;
  start(): Promise<{ url: string; stop(): Promise<void> }>;
}

/** Every backend that there is. To add one: a line here, and its adapter and client among the dependencies. */
export const backends: readonly Backend[] = [
  { name: 'memory', processes: 1, start: async () => ({ url: 'memory:', stop: async () => {} }) },
  { name: 'Redis, ioredis', processes: 4, start: () => redis('redis+ioredis') },
  { name: 'Redis, node-redis', processes: 4, start: () => redis('redis+node-redis') },
];

async function redis(scheme: string): Promise<{ url: string; stop(): Promise<void> }> {
  const server = await startRedis();
  return { url: `${scheme}://${server.host}:${server.port}`, stop: () => server.stop() };
}
