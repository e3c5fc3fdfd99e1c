import { hostAndPort } from '../../lock-url.ts';
import { redisTarget } from '../../redis-target.ts';
import { at, critical, type Diagnosis, type Finding, warning } from './diagnosis.ts';
import { reasonOf } from './measure.ts';
import { loadRedisClient } from './redis-client.ts';
import { replicaFindings, serverFindings } from './redis-findings.ts';
import { askSentinel, inspectRedis, type RedisServer } from './redis-server.ts';
import type { Target } from './target.ts';

/** Checks a Redis server, a Cluster, or the servers that sentinels watch. */
export async function diagnoseRedis({ url, options }: Target): Promise<Diagnosis> {
  const target = redisTarget(url);
  const connect = await loadRedisClient(url.scheme);
  const prefix = typeof options.prefix === 'string' ? options.prefix : undefined;
  const look = (node: { host: string; port: number }): Promise<RedisServer> =>
    inspectRedis(connect, target, node, prefix);
  const waitReplicas = Number(options.waitReplicas ?? 0);
  const failsOver = target.kind !== 'single';

  if (target.kind === 'sentinel') {
    const answers = await Promise.allSettled(target.nodes.map((node) => askSentinel(connect, target, node)));
    const silent = target.nodes.flatMap((node, i) => {
      const answer = answers[i]!;
      return answer.status === 'rejected' ? [{ address: hostAndPort(node), problem: reasonOf(answer.reason) }] : [];
    });
    const known = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))[0];
    if (known === undefined) return { servers: silent, findings: [] };
    const master = await look(known.master);
    return {
      servers: [master.report, ...silent],
      findings: [
        ...serverFindings(master),
        ...replicaFindings(master, waitReplicas, failsOver),
        ...sentinelFindings(known),
      ],
    };
  }

  const named = await Promise.all(target.nodes.map(look));
  const servers = target.kind === 'cluster' ? [...named, ...(await otherMasters(named, look))] : named;
  return {
    servers: servers.map(({ report }) => report),
    findings: [
      ...servers.flatMap((server) => [
        ...(failsOver && server.facts?.info.role === 'slave' ? [] : serverFindings(server)),
        ...replicaFindings(server, waitReplicas, failsOver),
      ]),
      ...modeFindings(target.kind, servers),
    ],
  };
}

/** The masters of a cluster that the URL does not name: they hold locks, too. */
async function otherMasters(
  named: readonly RedisServer[],
  look: (node: { host: string; port: number }) => Promise<RedisServer>,
): Promise<RedisServer[]> {
  const nodes = named.find(({ facts }) => facts !== undefined)?.facts?.clusterNodes ?? [];
  const masters = nodes.filter(({ address, master }) => {
    return master && !named.some(({ report }) => report.address === address);
  });
  return Promise.all(
    masters.map(({ address }) => {
      const colon = address.lastIndexOf(':');
      return look({ host: address.slice(0, colon), port: Number(address.slice(colon + 1)) });
    }),
  );
}

function modeFindings(kind: 'single' | 'cluster', servers: readonly RedisServer[]): Finding[] {
  return servers.flatMap(({ report: { address }, facts }) => {
    if (facts === undefined || (facts.info.cluster_enabled === '1') === (kind === 'cluster')) return [];
    return kind === 'cluster'
      ? at(address, [
          critical('It is not a cluster node.', 'The client finds no cluster there.', 'Write redis:// in the URL.'),
        ])
      : at(address, [
          critical(
            'It is a node of a cluster.',
            'It refuses keys that belong to other nodes, so most locks fail.',
            'Write redis+cluster:// in the URL, and name some of the nodes.',
          ),
        ]);
  });
}

function sentinelFindings({ sentinels, quorum }: { sentinels: number; quorum: number }): Finding[] {
  if (sentinels >= 3 && sentinels % 2 === 1 && quorum > sentinels / 2) return [];
  return [
    warning(
      `${sentinels} ${sentinels === 1 ? 'sentinel watches' : 'sentinels watch'} the master, with a quorum of ${quorum}.`,
      'With fewer than three sentinels, an even number, or a quorum below a majority, a failover may not happen when it is needed, or happen when it is not. Each one may lose locks.',
      'Use three or five sentinels on different machines, with a quorum of more than half.',
    ),
  ];
}
