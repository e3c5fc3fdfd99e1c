import { until } from './polling.ts';
import { withFreePorts } from './ports.ts';
import { type RedisGroup, type RedisServer, redisGroup, startRedisOn } from './redis.ts';
import { startTogether, stopAll } from './server-process.ts';

/**
 * Starts a Redis Cluster of three masters without replicas and waits until each serves all slots (about 2 s). A master
 * that is down for more than 2 s is taken for failed, and then the others refuse commands too, as is Redis' default.
 */
export async function startRedisCluster(): Promise<RedisGroup> {
  return redisGroup(await startNodes(0));
}

/** A cluster whose first master, which has the lowest third of the slots, has a replica that takes over when it dies. */
export interface ReplicatedRedisCluster extends RedisGroup {
  readonly master: RedisServer;
  readonly replica: RedisServer;
}

export async function startReplicatedRedisCluster(): Promise<ReplicatedRedisCluster> {
  const nodes = await startNodes(1);
  const [master, , , replica] = nodes as [RedisServer, RedisServer, RedisServer, RedisServer];
  try {
    await replica.command('CLUSTER', 'REPLICATE', String(await master.command('CLUSTER', 'MYID')));
    await until('the replica did not connect to its master', async () =>
      String(await master.command('INFO', 'replication')).includes('state=online'),
    );
    // Who does not know of it would not vote for it.
    await until('the cluster did not hear of the replica', async () => {
      const tables = await Promise.all(nodes.map((node) => node.command('CLUSTER', 'NODES')));
      return tables.every((table) => String(table).includes(' slave ') || String(table).includes('myself,slave '));
    });
    return { ...redisGroup(nodes), master, replica };
  } catch (error) {
    await stopAll(nodes);
    throw error;
  }
}

function startNodes(replicas: number): Promise<RedisServer[]> {
  const count = masters + replicas;
  return withFreePorts(2 * count, async (ports) => {
    const busPorts = ports.slice(count);
    const nodes = await startTogether(
      ports
        .slice(0, count)
        .map((port, i) => (signal) => startRedisOn({ port, args: clusterArgs(busPorts[i]!) }, signal)),
    );
    try {
      await join(nodes, busPorts);
      return nodes;
    } catch (error) {
      await stopAll(nodes);
      throw error;
    }
  });
}

const masters = 3;

function clusterArgs(busPort: number): string[] {
  return [
    ...['--cluster-enabled', 'yes', '--cluster-port', String(busPort), '--cluster-node-timeout', '2000'],
    // Outside the data folder: a node that restarts empty still knows its place in the cluster.
    ...['--cluster-config-file', '../nodes.conf'],
  ];
}

const slots = 16_384;

async function join(nodes: readonly RedisServer[], busPorts: readonly number[]): Promise<void> {
  const share = Math.ceil(slots / masters);
  for (const [i, node] of nodes.slice(0, masters).entries()) {
    await node.command('CLUSTER', 'ADDSLOTSRANGE', i * share, Math.min((i + 1) * share, slots) - 1);
    await node.command('CLUSTER', 'SET-CONFIG-EPOCH', i + 1);
  }
  for (const [i, node] of nodes.entries()) {
    if (i > 0) await nodes[0]!.command('CLUSTER', 'MEET', node.host, node.port, busPorts[i]!);
  }
  await until('the cluster did not form', async () => {
    for (const node of nodes) {
      const info = String(await node.command('CLUSTER', 'INFO'));
      if (!info.includes('cluster_state:ok') || !info.includes(`cluster_size:${masters}`)) return false;
    }
    return true;
  });
}
