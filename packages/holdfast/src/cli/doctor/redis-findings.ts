import { at, danger, type Finding, hint, warning } from './diagnosis.ts';
import type { RedisFacts, RedisServer } from './redis-server.ts';

/** What endangers locks at one Redis server that has locks, whatever it is part of. */
export function serverFindings({ report: { address }, facts, permissions = [] }: RedisServer): Finding[] {
  if (facts === undefined) return at(address, permissions);
  const findings = [versionFindings, roleFindings, evictionFindings, persistenceFindings];
  return at(address, [...permissions, ...findings.flatMap((find) => find(facts))]);
}

function versionFindings({ info }: RedisFacts): Finding[] {
  const [major = 0, minor = 0] = (info.redis_version ?? '').split('.').map(Number);
  const least = info.cluster_enabled === '1' ? [7, 0] : [6, 2];
  if (major > least[0]! || (major === least[0] && minor >= least[1]!)) return [];
  return [
    danger(
      `Redis ${info.redis_version} is too old.`,
      'Locks need commands that it does not have, so acquiring one fails.',
      `Upgrade to ${least.join('.')} or newer.`,
    ),
  ];
}

function roleFindings({ info }: RedisFacts): Finding[] {
  if (info.role !== 'slave') return [];
  return [
    danger(
      `It is a replica of ${info.master_host}:${info.master_port}.`,
      'A replica takes no writes, so no lock can be acquired there.',
      'Name the master, or the sentinels: redis+sentinel://host:26379,host:26379/master-name.',
    ),
  ];
}

function evictionFindings({ info }: RedisFacts): Finding[] {
  const policy = info.maxmemory_policy;
  if (policy === undefined || policy === 'noeviction') return [];
  const what = `Keys are evicted when the memory is full (maxmemory-policy ${policy}).`;
  const remedy = 'CONFIG SET maxmemory-policy noeviction, or give locks a server of their own.';
  if (info.maxmemory === '0') return [hint(what, 'There is no maxmemory, so it does not happen as it is now.', remedy)];
  return [danger(what, 'A lock can vanish while it is held, and another holder gets it too.', remedy)];
}

function persistenceFindings({ info, save, appendfsync }: RedisFacts): Finding[] {
  const remedy =
    'appendonly yes with appendfsync always; or let the server restart only after the longest lease is over.';
  if (info.aof_enabled === '1') {
    if (appendfsync === 'always' || appendfsync === undefined) return [];
    return [
      hint(
        `The log is written to the disk ${appendfsync === 'everysec' ? 'once a second' : 'now and then'} (appendfsync ${appendfsync}).`,
        'A crash of the machine forgets the locks of that time; a crash of the server alone does not.',
        'appendfsync always, if that matters to you.',
      ),
    ];
  }
  if (save === '') {
    return [
      danger(
        'Nothing is kept on the disk.',
        'After a restart every lock is free, while its holder is still at work.',
        remedy,
      ),
    ];
  }
  const how = save === undefined ? 'at most snapshots' : `snapshots only (save ${save})`;
  return [
    warning(
      `No log is kept on the disk, ${how}.`,
      'After a crash the server knows only the locks of the last snapshot; the later ones are free, while their holders are at work.',
      remedy,
    ),
  ];
}

/** Replicas that a failover may make master, and how many of them a grant waits for. */
export function replicaFindings(
  { report: { address }, facts }: RedisServer,
  waitReplicas: number,
  failsOver: boolean,
): Finding[] {
  if (facts === undefined || facts.info.role === 'slave') return [];
  const replicas = Number(facts.info.connected_slaves ?? 0);
  const count = replicas === 0 ? 'none' : String(replicas);
  if (waitReplicas > replicas) {
    const finding = danger(
      `Grants wait for ${waitReplicas} replicas (waitReplicas), and there are ${count}.`,
      'Every lock counts as busy.',
      `Bring the replicas back, or set waitReplicas to at most ${replicas}.`,
    );
    return at(address, [finding]);
  }
  if (replicas > 0 && waitReplicas === 0) {
    const finding = warning(
      `Replicas: ${count}, and grants do not wait for any.`,
      'Replication lags behind: a failover can lose a lock just granted, and another holder gets it too.',
      'Add ?waitReplicas=1 to the URL, which narrows the gap; only ZooKeeper and etcd close it.',
    );
    return at(address, [finding]);
  }
  if (replicas === 0 && failsOver) {
    return at(address, [
      warning('There is no replica.', 'When the master is lost, no lock can be acquired.', 'Add one.'),
    ]);
  }
  return [];
}
