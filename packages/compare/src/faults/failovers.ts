import { type SentinelDeployment, startPlain, startReplicated, startSentinel, startStandby } from './deployment.ts';
import type { Scenario, Scene } from './scenario.ts';

const title = 'The leader of the servers is killed';
/** Long, so that no renewal hides what the failover does; the default of the library. */
const sentinelTtlMs = 30_000;
const loses =
  'Redis answers before its replicas know of a lock, so the death of the master loses the locks that they have not received. waitReplicas narrows the gap.';

const losesCommits =
  'PostgreSQL answers before an asynchronous standby knows of a commit, so the death of the primary loses the commits that the standby has not received. Synchronous replication closes the gap.';

/** The death of a leader, on those that have one, and of one node of Redlock. */
export function failovers(ttlMs: number): Scenario[] {
  const common = { id: 'leader-killed', title, lastsMs: 4_000, ofServers: true } as const;
  const replicated = (backend: 'zookeeper' | 'etcd', setup: string): Scenario => ({
    ...common,
    ...{ backend, setup, ttlMs, expected: '' },
    async open() {
      const { servers, urlOf, leader, stop } = await startReplicated(backend, ttlMs);
      const url = urlOf(servers);
      return { holderUrl: url, nextUrl: url, begin: async () => (await leader()).kill(), stop };
    },
  });
  const sentinel = (client: 'ioredis' | 'node-redis', behind: boolean, waitReplicas: number): Scenario => ({
    ...common,
    backend: client,
    setup: `Sentinel, replicas ${behind ? 'a moment behind' : 'up to date'}${waitReplicas > 0 ? `, waitReplicas ${waitReplicas}` : ''}`,
    ttlMs: sentinelTtlMs,
    expected: behind && waitReplicas === 0 ? loses : '',
    open: () => sentinelScene(client, behind, waitReplicas),
  });
  return [
    ...[false, true].flatMap((behind) => [0, 1].map((wait) => sentinel('ioredis', behind, wait))),
    sentinel('node-redis', true, 0),
    {
      ...common,
      ...{ title: 'A node is killed', setup: '1 of 5 nodes', backend: 'redlock', ttlMs, expected: '' },
      async open() {
        const { servers, urlOf, stop } = await startPlain('redlock', ttlMs);
        const url = urlOf(servers);
        return { holderUrl: url, nextUrl: url, begin: () => servers[0]!.kill(), stop };
      },
    },
    replicated('zookeeper', '3 servers'),
    replicated('etcd', '3 members'),
    ...[false, true].map(
      (synchronous): Scenario => ({
        ...{ ...common, backend: 'postgres', ttlMs },
        setup: synchronous ? 'a synchronous standby' : 'an asynchronous standby, a moment behind',
        expected: synchronous ? '' : losesCommits,
        async open() {
          const { url, cutOff, failOver, stop } = await startStandby(synchronous);
          return { holderUrl: url, nextUrl: url, ...(synchronous ? {} : { before: cutOff }), begin: failOver, stop };
        },
      }),
    ),
  ];
}

async function sentinelScene(client: 'ioredis' | 'node-redis', behind: boolean, waitReplicas: number): Promise<Scene> {
  const deployment = await startSentinel(client, waitReplicas);
  const { url, stop } = deployment;
  if (!behind) return { holderUrl: url, nextUrl: url, begin: () => deployment.master.kill(), stop };
  return { holderUrl: url, nextUrl: url, ...lagging(deployment), stop };
}

/** What the master is told now does not reach the replicas any more: their connections are gone, and they are too busy for new ones. */
function lagging({ master, replicas }: SentinelDeployment): Pick<Scene, 'before' | 'begin'> {
  return {
    async before() {
      for (const replica of replicas) replica.freeze();
      await master.command('CLIENT', 'KILL', 'TYPE', 'replica');
    },
    async begin() {
      await master.kill();
      for (const replica of replicas) replica.thaw();
    },
  };
}
