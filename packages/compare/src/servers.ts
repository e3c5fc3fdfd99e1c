import type { EtcdServer, PostgresServer, RedisServer, ZookeeperServer } from '@holdfast/testbed';
import pidusage from 'pidusage';

/** What a server has done since it started. */
export interface RedisCounters {
  /** Those within scripts count too. */
  readonly commands: number;
  /** Scripts that clients had run: all that our locks send, but for subscriptions. */
  readonly scripts: number;
  readonly cpuSeconds: number;
}

export async function redisCounters(server: RedisServer): Promise<RedisCounters> {
  const info = String(await server.command('INFO', 'all'));
  const field = (name: string): number => Number(textField(info, name));
  return {
    commands: field('total_commands_processed'),
    scripts: Number(/^cmdstat_evalsha:calls=(\d+)/m.exec(info)?.[1] ?? 0),
    cpuSeconds: field('used_cpu_user') + field('used_cpu_sys'),
  };
}

/** Bytes that the server has allocated. */
export async function redisMemory(server: RedisServer): Promise<number> {
  return Number(textField(String(await server.command('INFO', 'memory')), 'used_memory'));
}

/** CPU seconds of processes of this machine since their start. */
export async function processCpuSeconds(pids: readonly number[]): Promise<number> {
  const all = await Promise.all(pids.map((pid) => pidusage(pid)));
  return all.reduce((sum, { ctime }) => sum + ctime, 0) / 1_000;
}

export async function redisVersion(server: RedisServer): Promise<string> {
  return `redis-server ${textField(String(await server.command('INFO', 'server')), 'redis_version')}`;
}

/** How many messages clients have sent to etcd: single requests, and those within streams such as keep-alives. */
export async function etcdRequests({ host, port }: EtcdServer): Promise<number> {
  const metrics = await (await fetch(`http://${host}:${port}/metrics`)).text();
  const counts = [...metrics.matchAll(/^grpc_server_msg_received_total\{.*\} (\S+)$/gm)];
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

/** Resident memory of the process in bytes. */
export async function etcdMemory({ host, port }: EtcdServer): Promise<number> {
  const metrics = await (await fetch(`http://${host}:${port}/metrics`)).text();
  return Number(/^process_resident_memory_bytes (\S+)$/m.exec(metrics)?.[1]);
}

export async function etcdVersion({ host, port }: EtcdServer): Promise<string> {
  const { etcdserver } = (await (await fetch(`http://${host}:${port}/version`)).json()) as { etcdserver: string };
  return `etcd ${etcdserver}`;
}

/** How many requests clients have sent to ZooKeeper, pings too. */
export async function zookeeperRequests(server: ZookeeperServer): Promise<number> {
  const [, count] = /^zk_packets_received\s+(\d+)$/m.exec(await server.fourLetter('mntr')) ?? [];
  return Number(count);
}

/** Bytes of all paths and data. */
export async function zookeeperDataSize(server: ZookeeperServer): Promise<number> {
  return Number(/^zk_approximate_data_size\s+(\d+)$/m.exec(await server.fourLetter('mntr'))?.[1]);
}

export async function zookeeperVersion(server: ZookeeperServer): Promise<string> {
  const [, version = 'of unknown version'] =
    /^Zookeeper version: ([\d.]+)/m.exec(await server.fourLetter('srvr')) ?? [];
  return `ZooKeeper ${version}`;
}

/** How many transactions have written something, by the number of the next one: the other counters of PostgreSQL lag behind. */
export async function postgresRequests(server: PostgresServer): Promise<number> {
  const [row] = await server.query<{ count: string }>('SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS count');
  return Number(row?.count);
}

/** CPU seconds of all processes of the server that run now. */
export async function serverCpuSeconds(server: PostgresServer): Promise<number> {
  const rows = await server.query<{ pid: number }>('SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()');
  return processCpuSeconds([server.pid, ...rows.map(({ pid }) => pid)]);
}

/** Bytes of the tables of the locks and of their indexes, with what the vacuum has not yet made free. */
export async function postgresTableBytes(server: PostgresServer): Promise<number> {
  const [row] = await server.query<{ bytes: string }>(
    `SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::text AS bytes FROM pg_class c
      WHERE c.relkind = 'r' AND c.relnamespace = to_regnamespace('holdfast')`,
  );
  return Number(row?.bytes);
}

export async function postgresVersion(server: PostgresServer): Promise<string> {
  const [row] = await server.query<{ server_version: string }>('SHOW server_version');
  return `PostgreSQL ${row?.server_version.split(' ')[0]}`;
}

function textField(info: string, name: string): string {
  return new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(info)?.[1] ?? '';
}
