import { basename, join } from 'node:path';
import { binary } from './binaries.ts';
import { serverFolder } from './folders.ts';
import { firstThat } from './polling.ts';
import { localhost, withFreePorts } from './ports.ts';
import { type ServerProcess, startServer, startTogether, stopAll } from './server-process.ts';

/** Several etcd members that elect a leader. `await using` stops them all. */
export interface EtcdCluster extends AsyncDisposable {
  readonly members: ServerProcess[];
  /** The member that leads now; rejects when none says so within 30 s. */
  leader(): Promise<ServerProcess>;
  stop(): Promise<void>;
}

/** Starts one etcd member. */
export async function startEtcd(): Promise<ServerProcess> {
  return (await startMembers(1))[0]!;
}

/**
 * Starts a cluster of `count` etcd members (default 3), tuned to notice a dead leader within 0.5 to 1 s, and waits until
 * each serves. A member is healthy only with a quorum: after killing most of them, restart them together.
 */
export async function startEtcdCluster(count: number = 3): Promise<EtcdCluster> {
  const members = await startMembers(count);
  const stop = (): Promise<void> => stopAll(members);
  return {
    members,
    leader: () => firstThat('no etcd member leads', members, leads),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function startMembers(count: number): Promise<ServerProcess[]> {
  return withFreePorts(count * 2, async (ports) => {
    const { path, env } = await binary('etcd');
    const plans = Array.from({ length: count }, (_, i) => {
      const folder = serverFolder('etcd');
      const peerUrl = `http://${localhost}:${ports[count + i]}`;
      return { port: ports[i]!, folder, name: basename(folder), peerUrl };
    });
    const initialCluster = plans.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(',');
    const servers = await startTogether(
      plans.map(({ port, folder, name, peerUrl }) => (signal) => {
        const clientUrl = `http://${localhost}:${port}`;
        const command = [
          ...[path, '--name', name, '--data-dir', join(folder, 'data')],
          ...['--listen-client-urls', clientUrl, '--advertise-client-urls', clientUrl],
          ...['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl],
          ...['--initial-cluster', initialCluster, '--initial-cluster-token', plans[0]!.name],
          ...['--heartbeat-interval', '50', '--election-timeout', '500'],
          ...['--logger', 'zap', '--log-level', 'warn', '--log-outputs', 'stderr'],
        ];
        const url = `etcd://${localhost}:${port}`;
        const healthy = async (_pid: number, timeoutMs: number): Promise<boolean> => {
          const { health } = await ask(`${clientUrl}/health`, timeoutMs);
          const { members } = await ask(`${clientUrl}/v3/cluster/member/list`, timeoutMs, '{}');
          // The answer of another server that took the port first must not count.
          return health === 'true' && JSON.stringify(members).includes(name);
        };
        return startServer({ name: 'etcd', url, port, folder, command, env, healthy }, signal);
      }),
    );
    return count === 1 ? servers : servers.map(keepsItsData);
  });
}

/** A member of a cluster must not come back without its log: raft trusts it to remember its votes. */
function keepsItsData(member: ServerProcess): ServerProcess {
  const { restart } = member;
  return Object.assign(member, {
    restart: async (options?: { empty?: boolean }): Promise<void> => {
      if (options?.empty) throw new Error('A member of an etcd cluster cannot restart empty: start a new cluster.');
      await restart(options);
    },
  });
}

async function leads(member: ServerProcess): Promise<boolean> {
  const status = await ask(`http://${member.host}:${member.port}/v3/maintenance/status`, 2000, '{}');
  const { member_id } = status.header as { member_id?: string };
  return status.leader !== undefined && status.leader === member_id;
}

async function ask(url: string, timeoutMs: number, body?: string): Promise<Record<string, unknown>> {
  const method = body === undefined ? 'GET' : 'POST';
  const response = await fetch(url, { method, body, signal: AbortSignal.timeout(timeoutMs) });
  return (await response.json()) as Record<string, unknown>;
}
