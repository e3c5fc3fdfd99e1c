import { backendIds } from '../report/schema.ts';
import { type FaultyBackend, proxiesFor, startPlain } from './deployment.ts';
import { failovers } from './failovers.ts';
import type { Scenario, Scene } from './scenario.ts';

export const faultTtlMs = 2_000;
const [ttlMs, hourMs] = [faultTtlMs, 3_600_000];
const oneNode = '1 of 5 nodes';
const seconds = (ms: number): string => `${ms / 1_000} s`;

type Sort = Omit<Scenario, 'backend' | 'open' | 'ttlMs'> & { open(backend: FaultyBackend): Promise<Scene> };

const forgets = 'A server that comes back empty has forgotten all holders; they learn of this at their next renewal.';
const countsAnew = 'Its tokens start again, too, so those of the next holders are lower at first.';

/** Faults that every backend can have. */
const everywhere: readonly Sort[] = [
  {
    id: 'holder-killed',
    title: 'The process of the holder is killed',
    ...{ setup: '', lastsMs: 0, ofServers: false, expected: '' },
    open: (backend) => plain(backend, () => ({ begin: (holder) => holder.kill() })),
  },
  {
    id: 'holder-paused',
    title: `The process of the holder is stopped for ${seconds(2 * ttlMs)}, twice its TTL`,
    ...{ setup: '', lastsMs: 2 * ttlMs, ofServers: false, expected: '' },
    open: (backend) => plain(backend, () => ({ begin: (holder) => holder.pause(), end: (holder) => holder.resume() })),
  },
  {
    id: 'partition',
    title: `A partition swallows all traffic between the holder and the servers, for ${seconds(2 * ttlMs)}`,
    ...{ setup: '', lastsMs: 2 * ttlMs, ofServers: false, expected: '' },
    open: partition,
  },
  ...[hourMs, -hourMs].map(
    (jump): Sort => ({
      id: 'clock-jump',
      title: `The wall clock of the holder jumps by an hour`,
      setup: jump > 0 ? 'forwards' : 'backwards',
      ...{ lastsMs: 2 * ttlMs, ofServers: false, expected: '' },
      open: (backend) =>
        plain(backend, () => ({ begin: (holder) => void holder.ask('jumpClock', jump).catch(() => {}) })),
    }),
  ),
];

/** Faults of so many of the servers; all of them unless said. */
const ofServers = (setup: string, count?: number): Sort[] => [
  {
    id: 'server-frozen',
    title: `The server is frozen for ${seconds(1.5 * ttlMs)}, while its connections stay open`,
    ...{ setup, lastsMs: 1.5 * ttlMs, ofServers: true, expected: '' },
    open: (backend) =>
      plain(backend, (servers) => ({
        begin: () => servers.slice(0, count).forEach((server) => void server.freeze()),
        end: () => servers.slice(0, count).forEach((server) => void server.thaw()),
      })),
  },
  {
    id: 'server-restarted',
    title: 'The server is killed and restarted at once, with its data',
    ...{ setup, lastsMs: 0, ofServers: true, expected: '' },
    open: (backend) => restarted(backend, false, count),
  },
  {
    id: 'server-emptied',
    title: 'The server is killed and restarted empty',
    ...{ setup, lastsMs: 0, ofServers: true, expected: setup === oneNode ? '' : forgets },
    open: (backend) => restarted(backend, true, count),
  },
];

function restarted(backend: FaultyBackend, empty: boolean, count: number | undefined): Promise<Scene> {
  return plain(backend, (servers) => ({
    begin: async () => {
      await Promise.all(servers.slice(0, count).map((server) => server.restart({ empty })));
    },
    // It answers again.
    end() {},
  }));
}

async function plain(
  backend: FaultyBackend,
  what: (servers: Awaited<ReturnType<typeof startPlain>>['servers']) => Pick<Scene, 'begin' | 'end'>,
): Promise<Scene> {
  const { servers, urlOf, stop } = await startPlain(backend, ttlMs);
  const url = urlOf(servers);
  return { holderUrl: url, nextUrl: url, ...what(servers), stop };
}

/** Only the holder goes through the proxies. */
async function partition(backend: FaultyBackend): Promise<Scene> {
  const deployment = await startPlain(backend, ttlMs);
  const { url, proxies } = await proxiesFor(deployment);
  return {
    holderUrl: url,
    nextUrl: deployment.urlOf(deployment.servers),
    begin: () => proxies.forEach((proxy) => void proxy.blackHole()),
    end: async () => void (await Promise.all(proxies.map((proxy) => proxy.heal()))),
    async stop() {
      await Promise.all(proxies.map((proxy) => proxy.close()));
      await deployment.stop();
    },
  };
}

/** All faults of these backends. `quick` leaves out those that are much like others. */
export function scenariosFor(backends: readonly string[], quick: boolean): Scenario[] {
  const all = backendIds
    .filter((id): id is FaultyBackend => id !== 'memory')
    .flatMap((backend): Scenario[] => {
      const servers =
        backend === 'redlock' ? [...ofServers(oneNode, 1), ...ofServers('3 of 5 nodes', 3)] : ofServers('');
      const sorts = [...everywhere, ...servers];
      return sorts.map(({ open, ...sort }) => {
        // Redis takes its tokens from the time of day.
        const counts = backend === 'zookeeper' || backend === 'etcd' || backend === 'postgres';
        const anew = sort.expected === forgets && counts;
        const expected = anew ? `${forgets} ${countsAnew}` : sort.expected;
        return { ...sort, expected, backend, ttlMs, open: () => open(backend) };
      });
    });
  return [...all, ...failovers(ttlMs)]
    .filter(({ backend }) => backends.includes(backend))
    .filter(({ id, setup, backend }) => !quick || isInQuick(id, setup, backend));
}

function isInQuick(id: Scenario['id'], setup: string, backend: FaultyBackend): boolean {
  if (backend === 'node-redis') return id === 'holder-paused';
  if (id === 'server-frozen' || id === 'server-restarted') return false;
  // No part of it depends on the backend.
  if (id === 'clock-jump') return backend === 'ioredis' && setup === 'forwards';
  return setup !== '3 of 5 nodes' && !setup.includes('up to date');
}
