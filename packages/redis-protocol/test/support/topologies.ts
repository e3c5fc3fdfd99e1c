import type { Harness } from '@holdfast/conformance';
import {
  type RedisSentinel,
  type RedisServer,
  startRedis,
  startRedisCluster,
  startRedisSentinel,
} from '@holdfast/testbed';
import { until } from './helpers.ts';
import { type Address, single, type Target } from './kit.ts';

/** Servers that were started for the suite, and what it may do to them. */
export interface Topology {
  readonly target: Target;
  /** Those that clients connect to, where proxies can stand before all of them. */
  readonly servers: readonly RedisServer[];
  /** The same servers, reached at other addresses. */
  at?(addresses: readonly Address[]): Target;
  readonly hooks: NonNullable<Harness['hooks']>;
  stop(): Promise<void>;
}

const patienceMs = 60_000;

const addressOf = ({ host, port }: Address): Address => ({ host, port });

/** Starts the servers of one kind of deployment. */
export async function startTopology(kind: Target['kind']): Promise<Topology> {
  if (kind === 'sentinel') return withFailover(await startRedisSentinel());
  if (kind === 'single') {
    const server = await startRedis();
    return {
      target: single(server),
      servers: [server],
      at: ([address]) => single(address!),
      hooks: disturb([server]),
      stop: () => server.stop(),
    };
  }
  const { nodes, stop } = await startRedisCluster();
  return {
    target: { kind, nodes: nodes.map(addressOf) },
    servers: nodes,
    // Cluster nodes tell clients their own addresses.
    at: (addresses) => ({
      kind,
      nodes: addresses,
      natMap: Object.fromEntries(nodes.map(({ host, port }, i) => [`${host}:${port}`, addresses[i]!])),
    }),
    hooks: disturb(nodes),
    stop,
  };
}

const disturb = (servers: readonly RedisServer[]): Topology['hooks'] => ({
  async freeze() {
    for (const server of servers) server.freeze();
    return () => servers.forEach((server) => void server.thaw());
  },
  async restart() {
    await Promise.all(servers.map((server) => server.restart()));
  },
});

/** A master that is killed, and comes back as a replica of the one that was promoted. It is replaced only then, however slow it is. */
async function withFailover(group: RedisSentinel): Promise<Topology> {
  const { master, replicas, sentinels, masterName, replaceAfter, stop } = group;
  await replaceAfter(patienceMs);
  const servers = [master, ...replicas];
  const portOf = async (sentinel: RedisServer): Promise<number> =>
    Number(((await sentinel.command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', masterName)) as string[])[1]);
  return {
    target: { kind: 'sentinel', nodes: sentinels.map(addressOf), masterName },
    servers,
    hooks: {
      async failover() {
        const before = await portOf(sentinels[0]!);
        const killed = servers.find(({ port }) => port === before)!;
        await replaceAfter(1_000);
        await killed.kill();
        let promoted = before;
        await until('all sentinels name another master', async () => {
          const named = await Promise.all(sentinels.map(portOf));
          promoted = named[0]!;
          return named.every((port) => port === promoted && port !== before);
        });
        await killed.restart();
        // Sentinels take seconds to tell it; an empty second master would grant locks until then.
        await killed.command('REPLICAOF', killed.host, String(promoted));
        await replaceAfter(patienceMs);
      },
    },
    stop,
  };
}
