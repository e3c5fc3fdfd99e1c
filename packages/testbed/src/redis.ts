import { join } from 'node:path';
import { binary } from './binaries.ts';
import { serverFolder } from './folders.ts';
import { localhost, withFreePorts } from './ports.ts';
import { redisCommand } from './resp.ts';
import { type ServerPlan, type ServerProcess, startServer, startTogether, stopAll } from './server-process.ts';

/** A redis-server process. */
export interface RedisServer extends ServerProcess {
  /** One command over a short-lived socket, for example `command('SCRIPT', 'FLUSH')`; rejects for an error reply. */
  command(...args: (string | number)[]): Promise<unknown>;
}

export interface RedisOptions {
  /** More arguments for redis-server, which win over those of the testbed, for example `['--maxmemory', '8mb']`. */
  args?: string[];
  /** `requirepass`; `command` and `url` use it. */
  password?: string;
}

/** Several servers that belong together. `await using` stops them all. */
export interface RedisGroup extends AsyncDisposable {
  readonly nodes: RedisServer[];
  stop(): Promise<void>;
}

/**
 * Starts one redis-server. Its data outlives `kill` and `restart`, as it writes an append-only file (without fsync); for a
 * pure in-memory server pass `args: ['--appendonly', 'no']`.
 */
export function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  return withFreePorts(1, async ([port]) => startRedisOn({ ...options, port: port! }));
}

/** Starts `count` redis-servers that know nothing of each other, as Redlock wants them. */
export function startRedisNodes(count: number): Promise<RedisGroup> {
  return withFreePorts(count, async (ports) =>
    redisGroup(await startTogether(ports.map((port) => (signal) => startRedisOn({ port }, signal)))),
  );
}

export function redisGroup(nodes: RedisServer[]): RedisGroup {
  const stop = (): Promise<void> => stopAll(nodes);
  return { nodes, stop, [Symbol.asyncDispose]: stop };
}

/** Starts a redis-server on a given port; `configure` may change its plan. */
export async function startRedisOn(
  options: RedisOptions & { port: number },
  signal?: AbortSignal,
  configure: (plan: ServerPlan) => ServerPlan = (plan) => plan,
): Promise<RedisServer> {
  const { port, password, args = [] } = options;
  const { path, env } = await binary('redis');
  const folder = serverFolder('redis');
  const ask = (command: (string | number)[], timeoutMs?: number): Promise<unknown> =>
    redisCommand({ host: localhost, port, password }, command, timeoutMs);
  const plan: ServerPlan = {
    name: 'redis-server',
    url: `redis://${password === undefined ? '' : `:${encodeURIComponent(password)}@`}${localhost}:${port}`,
    port,
    folder,
    env,
    command: [
      ...[path, '--port', String(port), '--bind', localhost, '--dir', join(folder, 'data'), '--save', ''],
      ...['--appendonly', 'yes', '--appendfsync', 'no', '--auto-aof-rewrite-percentage', '0'],
      ...(password === undefined ? [] : ['--requirepass', password, '--masterauth', password]),
      ...args,
    ],
    // INFO tells the process: the answer of another server that took the port first must not count.
    healthy: async (pid, timeoutMs) =>
      (await ask(['PING'], timeoutMs)) === 'PONG' &&
      String(await ask(['INFO', 'server'], timeoutMs)).includes(`process_id:${pid}\r`) &&
      isServing(String(await ask(['CLUSTER', 'INFO'], timeoutMs).catch(() => ''))),
  };
  return Object.assign(await startServer(configure(plan), signal), {
    command: (...args: (string | number)[]) => ask(args),
  });
}

/** False only for a cluster node that has a place in a cluster which does not work yet. */
function isServing(clusterInfo: string): boolean {
  return !clusterInfo.includes('cluster_state:fail') || clusterInfo.includes('cluster_slots_assigned:0');
}
