import { withPorts } from '../../lock-url.ts';
import { type Diagnosis, danger, type Finding, warning } from './diagnosis.ts';
import { loadRedisClient } from './redis-client.ts';
import { serverFindings } from './redis-findings.ts';
import { inspectRedis, type RedisServer } from './redis-server.ts';
import type { Target } from './target.ts';

/** Looks at every node of a Redlock. */
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
      danger(
        `${addresses.join(' and ')} are one server.`,
        'It would have more than one vote, so a majority would be no majority. The adapter refuses to work with it.',
        'Give each node a server of its own; two databases of one server are one server.',
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
      warning(`There are ${all} nodes.`, 'With fewer than three, none of them may fail.', 'Use three or five.'),
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
      danger(
        `${up} of ${all} nodes answer, which is no majority.`,
        'No lock can be acquired.',
        'Bring the others back.',
      ),
    );
  } else if (up > 0 && up < all) {
    const left = up - majority;
    findings.push(
      warning(
        `${up} of ${all} nodes answer.`,
        `Locks work, and ${left === 0 ? 'none' : left} more may fail.`,
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
      'Fencing tokens begin at the time of day: after a node has lost its memory they rise only as far as clocks agree.',
      'Let NTP set them.',
    ),
  ];
}

function replicationFindings(servers: readonly RedisServer[]): Finding[] {
  return servers
    .filter(({ facts }) => Number(facts?.info.connected_slaves ?? 0) > 0)
    .map(({ report: { address } }) => ({
      ...warning(
        'A node has replicas.',
        'When one of them takes its place, the votes that it had not received yet are forgotten.',
        'Redlock needs independent servers without failover.',
      ),
      at: [address],
    }));
}
