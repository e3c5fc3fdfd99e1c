import { openEtcd } from '@holdfast/adapter-etcd';
import { memoryAdapter } from '@holdfast/adapter-memory';
import { openZookeeper } from '@holdfast/adapter-zookeeper';
import { asyncMutexContestant } from './async-mutex.ts';
import { batonContestant } from './baton.ts';
import type { Contestant, ContestantSpec } from './contestant.ts';
import { rawEtcdContestant } from './etcd.ts';
import { locksContestant } from './locks.ts';
import { rawRedisContestant, redisContestant } from './redis.ts';
import { rawRedlockContestant, redlockContestant, redlockPackageContestant } from './redlock.ts';
import { rivalContestant } from './rivals.ts';
import { rawZookeeperContestant } from './zookeeper.ts';

/** Makes a contestant and connects it. */
export async function makeContestant(spec: ContestantSpec): Promise<Contestant> {
  switch (spec.kind) {
    case 'memory':
      return locksContestant(memoryAdapter());
    case 'async-mutex':
      return asyncMutexContestant();
    case 'redis raw':
      return rawRedisContestant(spec.client, spec.port);
    case 'redis':
      return redisContestant(spec.client, spec.port, spec.fencing);
    case 'baton':
      return batonContestant(spec.port);
    case 'etcd raw':
      return rawEtcdContestant(spec.port);
    case 'etcd':
      return locksContestant(openEtcd({ hosts: [`127.0.0.1:${spec.port}`] }));
    case 'zookeeper raw':
      return rawZookeeperContestant(spec.port);
    case 'zookeeper':
      return locksContestant(openZookeeper({ servers: `127.0.0.1:${spec.port}` }));
    case 'redlock package':
      return redlockPackageContestant(spec.ports);
    case 'redlock':
      return redlockContestant(spec.ports);
    case 'redlock raw':
      return rawRedlockContestant(spec.ports);
    case 'rival':
      return rivalContestant(spec.library, spec.tuned, spec.port);
  }
}
