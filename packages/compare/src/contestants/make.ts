import { subscribe } from 'node:diagnostics_channel';
import type { Contestant, ContestantSpec } from './contestant.ts';
import { locksContestant } from './locks.ts';

/** Makes a contestant and connects it. Only what it needs is loaded: loading all clients takes longer than a short measurement. */
export async function makeContestant(spec: ContestantSpec): Promise<Contestant> {
  switch (spec.kind) {
    case 'memory': {
      if (spec.observed) for (const name of ['acquire', 'grant', 'release']) subscribe(`holdfast:${name}`, () => {});
      return locksContestant((await import('@holdfast/adapter-memory')).memoryAdapter());
    }
    case 'async-mutex':
      return (await import('./async-mutex.ts')).asyncMutexContestant();
    case 'redis raw':
      return (await import('./redis.ts')).rawRedisContestant(spec.client, spec.port);
    case 'redis':
      return (await import('./redis.ts')).redisContestant(spec.client, spec.port, spec.fencing);
    case 'baton':
      return (await import('./baton.ts')).batonContestant(spec.port);
    case 'etcd raw':
      return (await import('./etcd.ts')).rawEtcdContestant(spec.port);
    case 'etcd raw queue':
      return (await import('./etcd.ts')).rawEtcdQueueContestant(spec.port);
    case 'etcd': {
      const { openEtcd } = await import('@holdfast/adapter-etcd');
      return locksContestant(openEtcd({ hosts: [`127.0.0.1:${spec.port}`] }));
    }
    case 'zookeeper raw':
      return (await import('./zookeeper.ts')).rawZookeeperContestant(spec.port);
    case 'zookeeper': {
      const { openZookeeper } = await import('@holdfast/adapter-zookeeper');
      return locksContestant(openZookeeper({ servers: `127.0.0.1:${spec.port}` }));
    }
    case 'redlock package':
      return (await import('./redlock.ts')).redlockPackageContestant(spec.ports);
    case 'redlock':
      return (await import('./redlock.ts')).redlockContestant(spec.ports, spec.fencing);
    case 'redlock raw':
      return (await import('./redlock.ts')).rawRedlockContestant(spec.ports);
    case 'rival':
      return (await import('./rivals.ts')).rivalContestant(spec.library, spec.tuned, spec.port);
  }
}
