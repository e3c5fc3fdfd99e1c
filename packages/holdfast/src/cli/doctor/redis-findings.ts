import { at, critical, type Finding, hint, warning } from './diagnosis.ts';
import type { RedisFacts, RedisServer } from './redis-server.ts';

/** What endangers the locks on one Redis server, whatever it is part of. */
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
    critical(
      `Redis ${info.redis_version} is too old.`,
      'Locks need commands that it does not have, so no lock can be acquired.',
      `Upgrade to ${least.join('.')} or later.`,
    ),
  ];
}

function roleFindings({ info }: RedisFacts): Finding[] {
  if (info.role !== 'slave') return [];
  return [
    critical(
      `It is a replica of ${info.master_host}:${info.master_port}.`,
      'A replica accepts no writes, so no lock can be acquired there.',
      'Name the master, or the sentinels: redis+sentinel://host:26379,host:26379/master-name.',
    ),
  ];
}

function evictionFindings({ info }: RedisFacts): Finding[] {
  const policy = info.maxmemory_policy;
  if (policy === undefined || policy === 'noeviction') return [];
  const what = `It evicts keys when its memory is full (maxmemory-policy ${policy}).`;
  const remedy = 'Run CONFIG SET maxmemory-policy noeviction, or use a separate server for locks.';
  if (info.maxmemory === '0') return [hint(what, 'This does not happen as long as maxmemory is not set.', remedy)];
  return [critical(what, 'A lock can be evicted while it is held, and then be granted to another owner.', remedy)];
}

function persistenceFindings({ info, save, appendfsync }: RedisFacts): Finding[] {
  const remedy = 'Set appendonly yes and appendfsync always. Or delay each restart until the longest lease has ended.';
  if (info.aof_enabled === '1') {
    if (appendfsync === 'always' || appendfsync === undefined) return [];
    return [
      hint(
        `The append-only file reaches the disk ${appendfsync === 'everysec' ? 'only once a second' : 'only when the system writes it'} (appendfsync ${appendfsync}).`,
        'A crash of the machine loses the locks granted since the last write. A crash of the server process does not.',
        'Set appendfsync always if that matters to you.',
      ),
    ];
  }
  if (save === '') {
    return [
      critical(
        'Nothing is saved to disk.',
        'After a restart, every lock is free although its holder is still at work.',
        remedy,
      ),
    ];
  }
  const how = save === undefined ? 'at most snapshots are saved' : `only snapshots are saved (save ${save})`;
  return [
    warning(
      `There is no append-only file; ${how}.`,
      'After a crash, the server knows only the locks of the last snapshot. Later ones are free although their holders are still at work.',
      remedy,
    ),
  ];
}

/** Replicas that a failover may promote, and how many of them a grant waits for. */
export function replicaFindings(
  { report: { address }, facts }: RedisServer,
  waitReplicas: number,
  failsOver: boolean,
): Finding[] {
  if (facts === undefined || facts.info.role === 'slave') return [];
  const replicas = Number(facts.info.connected_slaves ?? 0);
  const count = replicas === 0 ? 'none' : String(replicas);
  if (waitReplicas > replicas) {
    const finding = critical(
      `waitReplicas is ${waitReplicas}, but there ${replicas === 1 ? 'is one replica' : `are ${count === 'none' ? 'no' : count} replicas`}.`,
      'No lock can be acquired: each grant waits for the missing replicas.',
      `Bring the replicas back, or set waitReplicas to at most ${replicas}.`,
    );
    return at(address, [finding]);
  }
  if (replicas > 0 && waitReplicas === 0) {
    const finding = warning(
      `${replicas === 1 ? 'There is one replica, but grants do' : `There are ${replicas} replicas, but grants do`} not wait for ${replicas === 1 ? 'it' : 'any of them'}.`,
      'Replication lags behind, so a failover can lose a lock that was just granted, and another owner can get it.',
      'Add ?waitReplicas=1 to the URL. This narrows the gap; only ZooKeeper, etcd, and PostgreSQL with synchronous replication close it.',
    );
    return at(address, [finding]);
  }
  if (replicas === 0 && failsOver) {
    return at(address, [
      warning('There is no replica.', 'If the master fails, no lock can be acquired.', 'Add a replica.'),
    ]);
  }
  return [];
}
