import { withPorts } from '../../lock-url.ts';
import { critical, type Diagnosis, type Finding, warning } from './diagnosis.ts';
import { loadRedisClient } from './redis-client.ts';
import { serverFindings } from './redis-findings.ts';
import { inspectRedis, type RedisServer } from './redis-server.ts';
import type { Target } from './target.ts';

/** Checks every node of a Redlock. */
export async function diagnoseRedlock({ url, options }: Target): Promise<Diagnosis> {
  const connect = await loadRedisClient(url.scheme);
  const prefix = typeof options.prefix === 'string' ? options.prefix : undefined;
  const nodes = withPorts(url, 6_379);
  const { username, password } = url;
  const target = { username, password, tls: options.tls === true, nodes, db: undefined, masterName: undefined };
  const servers = await Promise.all(
    nodes.map((node) => inspectRedis(connect, { ...target, kind: 'single' }, node, prefix)),
  );
  return {
    servers: servers.map(({ report }) => report),
    findings: [
      ...sameServerFindings(servers),
      ...countFindings(servers),
      ...clockFindings(servers),
      ...replicationFindings(servers),
      ...servers.flatMap(serverFindings),
    ],
  };
}

function sameServerFindings(servers: readonly RedisServer[]): Finding[] {
  const byRunId = new Map<string, string[]>();
  for (const { report, facts } of servers) {
    const runId = facts?.info.run_id;
    if (runId !== undefined) byRunId.set(runId, [...(byRunId.get(runId) ?? []), report.address]);
  }
  return [...byRunId.values()]
    .filter((addresses) => addresses.length > 1)
    .map((addresses) =>
      critical(
        `${addresses.join(' and ')} are the same server.`,
        'It would have more than one vote, so two owners could each get a majority. The adapter refuses such nodes.',
        'Give each node its own server. Two databases of one server are the same server.',
      ),
    );
}

function countFindings(servers: readonly RedisServer[]): Finding[] {
  const all = servers.length;
  const majority = Math.floor(all / 2) + 1;
  const up = servers.filter(({ facts }) => facts !== undefined).length;
  const findings: Finding[] = [];
  if (all < 3) {
    findings.push(
      warning(
        `There ${all === 1 ? 'is one node' : `are ${all} nodes`}.`,
        'With fewer than three, no node may fail.',
        'Use three or five.',
      ),
    );
  } else if (all % 2 === 0) {
    findings.push(
      warning(
        `There are ${all} nodes, an even number.`,
        `They tolerate no more failures than ${all - 1} would, and votes can be split evenly.`,
        `Use ${all - 1} or ${all + 1}.`,
      ),
    );
  }
  if (up > 0 && up < majority) {
    findings.push(
      critical(
        `Only ${up} of ${all} nodes ${up === 1 ? 'answers' : 'answer'}, which is not a majority.`,
        'No lock can be acquired.',
        'Bring the others back.',
      ),
    );
  } else if (up > 0 && up < all) {
    const left = up - majority;
    findings.push(
      warning(
        `Only ${up} of ${all} nodes answer.`,
        `Locks work, but ${left === 0 ? 'no' : left} more node${left > 1 ? 's' : ''} may fail.`,
        'Bring the others back.',
      ),
    );
  }
  return findings;
}

const clocksMayDifferMs = 1_000;

function clockFindings(servers: readonly RedisServer[]): Finding[] {
  const offsets = servers.flatMap(({ report }) => report.clockOffsetMs ?? []);
  if (Math.max(...offsets) - Math.min(...offsets) <= clocksMayDifferMs) return [];
  return [
    warning(
      'The clocks of the nodes differ by more than a second.',
      'New fencing tokens start from the time of day. After nodes have lost their data, tokens keep rising only if the clocks agree.',
      'Synchronise them with NTP.',
    ),
  ];
}

function replicationFindings(servers: readonly RedisServer[]): Finding[] {
  return servers
    .filter(({ facts }) => Number(facts?.info.connected_slaves ?? 0) > 0)
    .map(({ report: { address } }) => ({
      ...warning(
        'This node has replicas.',
        'If a replica takes its place, votes that it has not received yet are lost.',
        'Use independent servers without failover for Redlock.',
      ),
      at: [address],
    }));
}
