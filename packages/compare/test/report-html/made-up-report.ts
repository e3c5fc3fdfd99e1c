import {
  type BackendId,
  backendIds,
  type Distribution,
  type Fault,
  type Report,
  survivesFailover,
} from '../../src/report/schema.ts';

// A report that no run has made: each figure can be told from every other one, so that tests can follow it into the page.
// The larger `slowness`, the slower; it is all that tells the backends apart.
const slowness: Readonly<Record<BackendId, number>> = {
  memory: 0.05,
  ioredis: 1,
  'node-redis': 1.3,
  redlock: 3.1,
  zookeeper: 7.7,
  etcd: 9.3,
  postgres: 4.9,
};

const titles: Readonly<Record<BackendId, string>> = {
  memory: 'Memory',
  ioredis: 'Redis (ioredis)',
  'node-redis': 'Redis (node-redis)',
  redlock: 'Redlock',
  zookeeper: 'ZooKeeper',
  etcd: 'etcd',
  postgres: 'PostgreSQL',
};

const spread = (median: number) => ({ median, low: median * 0.97, high: median * 1.03 });

function distribution(p50: number): Distribution {
  const at = (factor: number) => p50 * factor;
  return {
    ...{ count: 1_000, min: at(0.7), p10: at(0.8), p25: at(0.9), p50, p75: at(1.2), p90: at(1.6) },
    ...{ p99: at(4), p999: at(9), max: at(20) },
  };
}

const servers: Readonly<Record<BackendId, number>> = {
  ...{ memory: 0, ioredis: 1, 'node-redis': 1, redlock: 5, zookeeper: 1, etcd: 1, postgres: 1 },
};
const withServers = backendIds.filter((id) => servers[id] > 0);

export function madeUpReport(): Report {
  return {
    schema: 1,
    startedAt: '2031-02-03T04:05:06.789Z',
    tookMs: 1_234_567,
    mode: 'full',
    machine: {
      ...{ cpu: '4 x Made-up Processor', memory: '16 GiB', system: 'Linux 9.9.9', node: 'v20.19.0', load: 0.1 },
      clients: { ioredis: '6.0.0', etcd3: '1.1.2' },
    },
    settings: [{ name: 'Rounds', value: 'three of everything' }],
    backends: backendIds.map((id) => ({
      ...{
        id,
        title: titles[id],
        client: `client of ${id} 1.2.3`,
        server: `server of ${id} 4.5.6`,
        servers: servers[id],
      },
    })),
    uncontended: backendIds.flatMap((backend) =>
      [1, 64].flatMap((inFlight) =>
        (['holdfast', 'raw'] as const).map((who) => {
          const us = 131 * slowness[backend] * inFlight ** 0.4 * (who === 'raw' ? 0.98 : 1);
          return {
            ...{ backend, who, inFlight, what: who === 'raw' ? `raw calls of ${backend}` : '' },
            ...{
              opsPerSecond: spread((inFlight * 1e6) / us),
              latencyUs: distribution(us),
              clientCpuUs: spread(us / 3),
            },
            ratioToRaw: who === 'raw' ? null : spread(0.98),
          };
        }),
      ),
    ),
    contention: [0, 1, 10].flatMap((holdMs) =>
      [1, 2, 4].flatMap((processes) =>
        [2, 8, 32, 128]
          .filter((waiters) => waiters >= processes)
          .flatMap((waiters) =>
            backendIds
              .filter((backend) => processes === 1 || servers[backend] > 0)
              .map((backend) => {
                const ms = holdMs + 0.21 * slowness[backend] * processes ** 0.8;
                return {
                  ...{ backend, waiters, processes, holdMs, handOversPerSecond: spread(1_000 / ms) },
                  ...{ handOverMs: distribution(ms - holdMs), waitMs: distribution(ms * waiters) },
                  ...{ jain: servers[backend] === 1 && slowness[backend] > 5 ? 1 : 0.83, mostToFewest: 2.5 },
                  longestWaitMs: ms * waiters * (1 + 9 / slowness[backend]),
                  ...{ requestsPerHandOver: slowness[backend] / 2, heldShare: holdMs / ms, violations: 0 },
                };
              }),
          ),
      ),
    ),
    waiters: backendIds.flatMap((backend) =>
      [1, 10, 100, 1_000, 10_000].map((waiters) => ({
        ...{ backend, waiters, totalMs: waiters * 0.11 * slowness[backend], waitMs: distribution(waiters * 0.06) },
        ...{ clientCpuUsPerWaiter: 41 * slowness[backend], serverCpuUsPerWaiter: 9, requestsPerWaiter: 1.5 },
      })),
    ),
    scale: backendIds.flatMap((backend) =>
      [10, 1_000, 10_000, 50_000].map((locks) => ({
        ...{ backend, locks, ttlMs: 15_000, clientCpu: 0.002 + 2.3e-6 * locks * slowness[backend] },
        serverCpu: servers[backend] === 0 ? null : 0.001 + 1.7e-6 * locks,
        requestsPerSecond: servers[backend] === 0 ? null : 0.2 + 0.002 * locks * slowness[backend],
        clientBytesPerLock: locks < 1_000 ? null : 1_536,
        serverBytesPerLock: locks < 1_000 || servers[backend] === 0 ? null : 512,
        ...{ eventLoopLagP99Ms: 1 + locks / 10_000, lost: 0, acquireMs: locks * 0.04 },
        connections: servers[backend] === 0 ? null : servers[backend],
      })),
    ),
    growth: backendIds.flatMap((backend) => [
      {
        ...{ backend, over: 'locks' as const, cost: 'clientCpu' as const, exponent: 0.97, factor: 3e-6, r2: 0.999 },
        points: [1_000, 10_000, 50_000].map((n) => ({ n, cost: 3e-6 * n ** 0.97 })),
      },
      {
        ...{ backend, over: 'waiters' as const, cost: 'totalMs' as const, exponent: 1.07, factor: 0.1, r2: 0.98 },
        points: [10, 100, 1_000, 10_000].map((n) => ({ n, cost: 0.1 * n ** 1.07 })),
      },
    ]),
    faults: withServers.flatMap((backend) => [
      fault(backend, { id: 'holder-killed', title: 'The process of the holder is killed' }),
      fault(backend, { id: 'holder-paused', title: 'The process of the holder is stopped for 4 s' }),
      backend.endsWith('redis') ? sentinel(backend) : leaderKilled(backend),
    ]),
    rivals: [
      rival('ioredis 6.0.0, raw', false, true),
      rival('holdfast', true, false),
      rival('other-lock 5.8.0', false, false),
    ],
    features: [
      {
        ...{ name: survivesFailover, meaning: 'It holds when a leader dies.' },
        values: {
          ...{ memory: 'yes', ioredis: 'no', 'node-redis': 'no', redlock: 'no', zookeeper: 'yes', etcd: 'yes' },
          postgres: 'no',
        },
      },
      {
        ...{ name: 'Fencing token', meaning: 'A number that rises with each grant.' },
        values: Object.fromEntries(backendIds.map((id) => [id, 'yes'])),
      },
    ],
    notMeasured: [{ part: 'scale', backend: 'zookeeper', what: '50,001 held locks', why: 'The heap was too small.' }],
    failures: [],
  };
}

function fault(backend: BackendId, more: Pick<Fault, 'id' | 'title'> & Partial<Fault>): Fault {
  const nextAt = 2_017 + 10 * slowness[backend];
  return {
    ...{
      backend,
      setup: '',
      ttlMs: 2_000,
      rounds: 3,
      overlapMs: 0,
      gapMs: 23,
      staleWrites: { refused: 6, accepted: 0 },
    },
    timeline: [
      { atMs: -311, who: 'holder', kind: 'granted', text: 'The holder gets the lock, token 17' },
      { atMs: 0, who: 'fault', kind: 'fault-begins', text: more.title },
      { atMs: 1_650, who: 'holder', kind: 'lease-ends', text: 'The lease of the holder is over' },
      { atMs: nextAt, who: 'next', kind: 'granted', text: 'The next one gets the lock, token 18' },
      { atMs: 4_000, who: 'fault', kind: 'fault-ends', text: 'The fault is over' },
      { atMs: 4_003, who: 'holder', kind: 'lost', text: 'The holder is told of its loss' },
      { atMs: 4_005, who: 'resource', kind: 'write-refused', text: 'The resource refuses a write' },
    ],
    ...{ nextHolderMs: [nextAt, nextAt + 11], holderToldMs: [4_003], holderKept: 0, serviceBackMs: [] },
    ...{ violations: [], expected: '' },
    ...more,
  };
}

function leaderKilled(backend: BackendId): Fault {
  const times = { nextHolderMs: [], holderToldMs: [], gapMs: null, holderKept: 3 };
  const serviceBackMs = [400 * slowness[backend], 420 * slowness[backend], 440 * slowness[backend]];
  return fault(backend, {
    id: 'leader-killed',
    title: 'The leader is killed',
    setup: '3 servers',
    ...times,
    serviceBackMs,
  });
}

function sentinel(backend: BackendId): Fault {
  return fault(backend, {
    ...{ id: 'leader-killed', title: 'The leader is killed', setup: 'Sentinel', ttlMs: 30_000, overlapMs: 1_907 },
    ...{ violations: ['key: two holders for 1,907 ms'], serviceBackMs: [733, 734, 735] },
    expected: 'Redis answers before its replicas know.',
  });
}

function rival(name: string, isHoldfast: boolean, isRaw: boolean): Report['rivals'][number] {
  const ms = isHoldfast ? 0.3 : isRaw ? 0.29 : 6.1;
  const cycles = {
    opsPerSecond: spread(1_000 / ms),
    latencyUs: distribution(ms * 1_000),
    ratioToRaw: isRaw ? null : spread(0.97),
  };
  return {
    ...{ name, isHoldfast, isRaw, delays: 'default', client: 'ioredis 6.0.0 on Node v20.19.0', servers: 1 },
    ...{ sequential: cycles, inFlight: cycles },
    contention: [
      {
        ...{
          waiters: 32,
          processes: 2,
          holdMs: 0,
          handOversPerSecond: spread(1_000 / ms),
          handOverMs: distribution(ms),
        },
        ...{ jain: 0.91, longestWaitMs: ms * 99, requestsPerHandOver: 2.2, violations: 0, errors: 0 },
      },
    ],
  };
}
