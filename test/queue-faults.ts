/**
 * What may go wrong with a queue, and the test that tries it, on each backend. `LK-…` is a case of the conformance suite, which
 * every adapter runs; anything else is a file and the beginning of a title in it. Nightly ones run with `npm run test:all`.
 */
export const backends = ['memory', 'Redis', 'Redlock', 'ZooKeeper', 'etcd', 'PostgreSQL'] as const;

/** Why a fault cannot happen there. */
export interface Impossible {
  readonly impossible: string;
}

type Cover = string | readonly [file: string, title: string];
type Covers = readonly Cover[];

export interface QueueFault {
  readonly fault: string;
  /** What covers it on all backends that are not named. */
  readonly all?: Covers;
  readonly on?: Partial<Record<(typeof backends)[number], Covers | Impossible>>;
}

// Redis single, Cluster and Sentinel on both clients, Redlock, ZooKeeper, etcd, PostgreSQL.
const nightly = 'packages/holdfast/test/queues/hard-times.test.ts';
const ofRedis = 'packages/redis-protocol/test/support/queue-suite.ts';
const ofFailover = 'packages/redis-protocol/test/support/queue-failover-suite.ts';
const ofCore = 'packages/lock-core/test';

const oneProcess: Impossible = { impossible: 'its waiters are those of one process' };
const notRedis: Impossible = { impossible: 'nobody else writes the keys of a lock with SET NX' };

export const queueFaults: readonly QueueFault[] = [
  { fault: 'limits of 0, NaN, 2^53', all: ['LK-0232', [`${ofCore}/semaphore.test.ts`, 'a limit of ']] },
  { fault: 'more permits than the limit', all: ['LK-0232'] },
  { fault: 'different limits at once', all: ['LK-0217', [nightly, 'H99: of different limits at once']] },
  { fault: 'one key used in two ways', all: ['LK-0218'] },
  { fault: '0 keys in acquireAll', all: [[`${ofCore}/lock-group.test.ts`, 'what is no list of keys is refused']] },
  {
    fault: '10,000 keys in acquireAll',
    all: [[nightly, 'H102: 10,000 keys at once']],
    on: { memory: [[`${ofCore}/lock-group.test.ts`, '10,000 keys work']] },
  },
  {
    fault: 'a dead waiter at the head',
    all: ['LK-0260', [nightly, 'H91, H103: %s whose process gets a %s']],
    on: { memory: oneProcess },
  },
  { fault: 'all waiters dead', all: ['LK-0260'], on: { memory: oneProcess } },
  {
    fault: 'the queue keys deleted by hand, or evicted',
    all: [[nightly, 'H105: whoever waits for %s is served, one at a time, though the places are deleted by hand']],
    on: {
      memory: { impossible: 'nobody else reaches its store' },
      Redis: [
        [nightly, 'H105: whoever waits for %s is served'],
        [ofRedis, 'places that the server has lost are restored in their order (failover, eviction)'],
        [ofRedis, 'where the holders are forgotten nobody holds the key beside them'],
      ],
      Redlock: [
        [nightly, 'H105: whoever waits for %s is served'],
        ['packages/adapter-redlock/test/claims.test.ts', 'where the nodes have lost who shares a key'],
      ],
    },
  },
  {
    fault: 'failover in the middle',
    on: {
      memory: { impossible: 'it has no servers' },
      Redis: [[ofFailover, 'H105: a failover in the middle of a queue ($kind)']],
      Redlock: [
        ['packages/adapter-redlock/test/faults.test.ts', 'H33: two of five nodes stopped'],
        ['packages/adapter-redlock/test/faults.test.ts', 'H20: a minority that restarts empty'],
      ],
      ZooKeeper: [
        [
          'packages/adapter-zookeeper/test/ensemble.test.ts',
          'the leader is killed while locks are held and waited for',
        ],
      ],
      etcd: [['packages/adapter-etcd/test/cluster.test.ts', 'H19: the leader is killed']],
      PostgreSQL: [
        [
          'packages/adapter-postgres/test/faults.test.ts',
          'the server is killed and restarts: holds and the queue are as they were',
        ],
        ['packages/adapter-postgres/test/faults.test.ts', 'that every commit waits for forgets no lock'],
      ],
    },
  },
  {
    fault: 'a foreign SET NX in between',
    on: {
      memory: notRedis,
      Redis: [
        [ofRedis, 'a newcomer does not overtake, also where the lock is free for a moment; a foreign SET NX may'],
        [nightly, 'a foreign SET NX keeps out %s'],
      ],
      Redlock: [
        ['packages/adapter-redlock/test/foreign-locks.test.ts', 'a foreign SET NX and %s keep each other out'],
        [nightly, 'a foreign SET NX keeps out %s'],
      ],
      ZooKeeper: notRedis,
      etcd: notRedis,
      PostgreSQL: notRedis,
    },
  },
  {
    fault: 'SIGSTOP of a process that is next',
    all: ['LK-0261', [nightly, 'H91, H103: %s whose process gets a %s']],
    on: { memory: oneProcess },
  },
  {
    fault: 'close with places',
    all: ['LK-0106', [`${ofCore}/backend-queue.test.ts`, 'H42: close waits until the places']],
  },
  { fault: 'close during lead', all: [[`${ofCore}/lead-ends.test.ts`, 'close while it leads, campaigns or pauses']] },
];
