import { until } from './polling.ts';
import { withFreePorts } from './ports.ts';
import { type RedisGroup, type RedisServer, redisGroup, startRedisOn } from './redis.ts';
import { startTogether, stopAll } from './server-process.ts';

/**
 * Starts a Redis Cluster of three masters without replicas and waits until each serves all slots (about 2 s). A master
 * that is down for more than 2 s is taken for failed, and then the others refuse commands too, as is Redis' default.
 */
export function startRedisCluster(): Promise<RedisGroup> {
  return withFreePorts(6, async (ports) => {
    const nodes = await startTogether(
      ports.slice(0, 3).map((port, i) => (signal) => startRedisOn({ port, args: clusterArgs(ports[3 + i]!) }, signal)),
    );
    try {
      await join(nodes, ports.slice(3));
      return redisGroup(nodes);
    } catch (error) {
      await stopAll(nodes);
      throw error;
    }
  });
}

function clusterArgs(busPort: number): string[] {
  return [
    ...['--cluster-enabled', 'yes', '--cluster-port', String(busPort), '--cluster-node-timeout', '2000'],
    // Outside the data folder: a node that restarts empty still knows its place in the cluster.
    ...['--cluster-config-file', '../nodes.conf'],
  ];
}

const slots = 16_384;

async function join(nodes: readonly RedisServer[], busPorts: readonly number[]): Promise<void> {
  const share = Math.ceil(slots / nodes.length);
  for (const [i, node] of nodes.entries()) {
    await node.command('CLUSTER', 'ADDSLOTSRANGE', i * share, Math.min((i + 1) * share, slots) - 1);
    await node.command('CLUSTER', 'SET-CONFIG-EPOCH', i + 1);
  }
  for (const [i, node] of nodes.entries()) {
    if (i > 0) await nodes[0]!.command('CLUSTER', 'MEET', node.host, node.port, busPorts[i]!);
  }
  await until('the cluster did not form', async () => {
    for (const node of nodes) {
      const info = String(await node.command('CLUSTER', 'INFO'));
      if (!info.includes('cluster_state:ok') || !info.includes(`cluster_size:${nodes.length}`)) return false;
    }
    return true;
  });
}
