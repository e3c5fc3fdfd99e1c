import type { LockAdapter } from '@holdfast/lock-core';
import { createMachine } from '../engine/machine.ts';
import { firstPort } from '../engine/socket.ts';
import { createEnsemble, type Ensemble } from '../servers/zookeeper/ensemble.ts';
import type { Backend, BackendModel, Holder, Stage } from './backend.ts';
import { createZookeeperGuard, dataOf } from './zookeeper-guard.ts';

const cutOffForLong = 'cut off from the others until sessions end, and then';

const library = 'node-zookeeper-client';

/** An ensemble of ZooKeeper, and the shipped adapter over the real client library. */
export const zookeeperModel: BackendModel = {
  entry: `
    export { createLocks, isLockError } from '@holdfast/lock-core';
    export { zookeeperAdapter } from '@holdfast/adapter-zookeeper';
    export { fencedZookeeperWrite } from '@holdfast/guards';
  `,
  libraries: [library],
  imports: [library],
  serverFaults: () => [
    'leader change',
    'cut off from the others',
    cutOffForLong,
    cutOffForLong,
    cutOffForLong,
    'lags behind',
    'restart without data',
  ],
  // A process may lose its session and live on; its node goes with the session.
  slowestHintMs: 5_500,
  hasGuard: true,
  hasClaims: true,
  takesModes: () => true,
  drawOptions: (random) => ({
    servers: random.pick([1, 3, 3, 3, 5]),
    tickMs: random.pick([100, 100, 100, 300, 1_000]),
    syncLimit: random.pick([2, 10, 40]),
    sessionTimeoutMs: Math.round(random.chance(0.6) ? random.spread(400, 900) : random.spread(900, 3_000)),
    lagMs: random.spread(0.1, 200),
    containerCheckMs: random.pick([500, 5_000, 60_000]),
    auth: random.chance(0.2),
  }),
  servers: ({ servers }) => servers as number,
  create: createZookeeperBackend,
};

function createZookeeperBackend(stage: Stage): Backend {
  const { world, network, schedule, excuseHolds } = stage;
  const { options } = schedule;
  const random = world.random.fork('zookeeper');
  const goodClocks = schedule.clients.every(({ rate }) => rate === 1);
  const lagMs = options.lagMs as number;
  const tickMs = options.tickMs as number;
  const ensemble = createEnsemble({
    world,
    random,
    machines: Array.from({ length: options.servers as number }, (_, i) => {
      const rate = goodClocks ? 1 : 1 + (random.next() - 0.5) * 0.002;
      return createMachine(world, `server ${i + 1}`, { rate, wallOffsetMs: random.int(-2_000, 2_000) });
    }),
    tickMs,
    leastTimeoutMs: 2 * tickMs,
    mostTimeoutMs: 20 * tickMs,
    syncLimit: options.syncLimit as number,
    containerCheckMs: options.containerCheckMs as number,
    delayMs: () => 0.1 + random.next() * 3,
    lagMs: () => random.next() * lagMs,
  });
  network.hosts.push(...ensemble.members.map(({ host }) => host));

  return {
    connect(client) {
      const make = client.shipped.zookeeperAdapter as (options: object) => LockAdapter;
      const servers = ensemble.members.map(({ index }) => `127.0.0.1:${firstPort + index}`).join(',');
      const { sessionTimeoutMs } = options;
      const auth = options.auth ? { scheme: 'digest', credentials: 'application:secret' } : undefined;
      client.guard = createZookeeperGuard(client, servers, sessionTimeoutMs as number);
      return () => make({ servers, sessionTimeoutMs, auth });
    },
    holderOf: (key) => holderOf(ensemble, key),
    fault(name, server, ms) {
      switch (name) {
        case 'leader change':
          return ensemble.changeLeader(Math.min(ms, 10_000));
        case 'cut off from the others':
          return ensemble.isolate(server, ms);
        case cutOffForLong:
          return ensemble.isolate(server, ms + 1.3 * (options.sessionTimeoutMs as number));
        case 'lags behind':
          return ensemble.lag(server, ms);
        case 'restart without data':
          ensemble.forget();
          return excuseHolds('the servers lost their data');
      }
    },
    heal: ensemble.heal,
    guarded: (key) => ensemble.truth.nodes.get(dataOf(key))?.data?.toString() || undefined,
    subscriptions: () =>
      ensemble.members
        .flatMap(({ front }) => [...front.peers])
        .reduce((sum, { dataWatches, childWatches }) => sum + dataWatches.size + childWatches.size, 0),
    leftovers: () => leftovers(ensemble),
  };
}

const root = '/locks/';
const contender = /^_c_(.*)-(?:lock|shared|\d+of\d+)-(\d{10})$/;

function holderOf({ truth }: Ensemble, key: string): Holder | undefined {
  const children = truth.nodes.get(root + encodeURIComponent(key))?.children ?? new Set();
  const order = [...children].map((child) => contender.exec(child)!).sort((a, b) => Number(a[2]) - Number(b[2]));
  const [first] = order;
  return first === undefined ? undefined : { owner: decodeURIComponent(first[1]!), remainingMs: undefined };
}

/** A session without a connection ends by itself; one with a connection has a client that ought to be gone. */
function leftovers({ members, truth }: Ensemble): string[] {
  const connected = new Set(members.flatMap(({ front }) => [...front.peers].map(({ session }) => session)));
  return [
    ...[...truth.sessions.keys()].flatMap((session) => (connected.has(session) ? [`the session ${session}`] : [])),
    ...[...truth.nodes].flatMap(([path, { ephemeralOwner }]) =>
      ephemeralOwner > 0n && !truth.sessions.has(ephemeralOwner) ? [`the node ${path} of no session`] : [],
    ),
  ];
}
