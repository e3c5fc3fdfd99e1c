import type { Harness } from '@holdfast/conformance';
import { faultProxy } from '@holdfast/conformance/faults';
import { type RedisGroup, type RedisServer, startRedis, startRedisNodes } from '@holdfast/testbed';
import { type At, selfRefreshingAdapter, semaphoreAdapter, semaphoreCapabilities } from './redis-semaphore.ts';
import { redlockCapabilities, redlockPackageAdapter, withPackageUsing } from './redlock.ts';

/** One way to use a library, on servers of its own. */
export interface Trial {
  readonly name: string;
  readonly nodes: number;
  /** Only these cases are run; default all that apply. */
  readonly only?: readonly string[];
  /** The cases that find known faults of the library, and which fault each is. */
  readonly faults: Readonly<Record<string, string>>;
  /** A known fault that shows as a promise that is rejected with nobody listening. */
  readonly unhandled?: string;
  /** @param closers run at the end of the trial */
  harness(servers: readonly At[], closers: (() => Promise<void>)[]): Harness;
}

const FAR_MS = 100;

const RESENT = 'SET NX that is sent again refuses its own lock: H12';
const BELIEVES = 'a refresh without an answer, and isAcquired stays true: H45';
const HIDES = 'using() replaces result and error by that of the release: H56';
const CUT_OFF = ['LK-0125', 'LK-0126', 'LK-0127'] as const;

const semaphore =
  (name: string, open: (at: At) => ReturnType<typeof semaphoreAdapter>) => (servers: readonly At[]) => ({
    name,
    adapter: async (at: readonly At[] = servers) => open(at[0]!),
    servers: () => servers,
    capabilities: semaphoreCapabilities,
  });

export const trials: readonly Trial[] = [
  {
    name: 'redis-semaphore',
    nodes: 1,
    faults: { 'LK-0024': RESENT, 'LK-0026': RESENT, 'LK-0059': RESENT, 'LK-0118': RESENT },
    harness: semaphore('redis-semaphore 5.8.0', semaphoreAdapter),
  },
  {
    name: 'redis-semaphore, its own refresh',
    nodes: 1,
    only: CUT_OFF,
    faults: Object.fromEntries(CUT_OFF.map((id) => [id, BELIEVES])),
    harness: semaphore('redis-semaphore 5.8.0, its own refresh', (at) => selfRefreshingAdapter(at)),
  },
  {
    name: 'redis-semaphore, its own refresh, with a command time-out',
    nodes: 1,
    only: CUT_OFF,
    faults: Object.fromEntries(CUT_OFF.map((id) => [id, BELIEVES])),
    unhandled: 'a refresh that fails is rejected with nobody listening: H53',
    harness: semaphore('redis-semaphore 5.8.0, commandTimeout', (at) => selfRefreshingAdapter(at, 500)),
  },
  {
    name: 'redlock on three nodes',
    nodes: 3,
    faults: {
      'LK-0026': 'requests of one owner at once are several: H12',
      'LK-0097': 'a lock is returned whose validity is over: H28',
      'LK-0120': 'a release that was done, and whose answer was lost, is an error: H14',
    },
    harness: (servers) => ({
      name: 'redlock 5.0.0-beta.2, three nodes',
      adapter: async (at = servers) => redlockPackageAdapter(at),
      servers: () => servers,
      capabilities: redlockCapabilities,
    }),
  },
  {
    name: 'redlock on two nodes',
    nodes: 2,
    only: ['LK-0007'],
    faults: { 'LK-0007': 'a tie of votes is pending for ever: H31' },
    harness(servers, closers) {
      let clients = 0;
      return {
        name: 'redlock 5.0.0-beta.2, two nodes',
        capabilities: redlockCapabilities,
        // Every second client is near to the one node, the others are near to the other one.
        async adapter() {
          const far = clients++ % servers.length;
          const proxy = await faultProxy(servers[far]!);
          proxy.delay(FAR_MS);
          closers.push(() => proxy.close());
          return redlockPackageAdapter(servers.map((server, i) => (i === far ? proxy : server)));
        },
      };
    },
  },
  {
    name: 'redlock, its own using()',
    nodes: 3,
    only: ['LK-0085', 'LK-0086', 'LK-0087', 'LK-0088'],
    faults: { 'LK-0087': HIDES, 'LK-0088': HIDES },
    harness: (servers) => ({
      name: 'redlock 5.0.0-beta.2, using()',
      adapter: async (at = servers) => redlockPackageAdapter(at),
      capabilities: redlockCapabilities,
      createLocks: (adapter, options) => withPackageUsing(servers, adapter, options),
    }),
  },
];

/** Starts the servers of a trial. */
export async function startServers({ nodes }: Trial): Promise<{ servers: At[]; stop(): Promise<void> }> {
  const started: RedisServer | RedisGroup = nodes === 1 ? await startRedis() : await startRedisNodes(nodes);
  const all = 'nodes' in started ? started.nodes : [started];
  return { servers: all.map(({ port }) => ({ host: '127.0.0.1', port })), stop: () => started.stop() };
}
