import { subscribe } from 'node:diagnostics_channel';
import { locksSubject } from './locks.ts';
import type { Subject, SubjectSpec } from './subject.ts';

const orderOf = ({ strict }: { readonly strict?: boolean }) => (strict ? { localRun: { count: 0 } } : undefined);

/** Makes a subject and connects it. Only what it needs is loaded: loading all clients takes longer than a short measurement. */
export async function makeSubject(spec: SubjectSpec): Promise<Subject> {
  switch (spec.kind) {
    case 'memory': {
      if (spec.observed) for (const name of ['acquire', 'grant', 'release']) subscribe(`holdfast:${name}`, () => {});
      return locksSubject((await import('@holdfast/adapter-memory')).memoryAdapter());
    }
    case 'async-mutex':
      return (await import('./async-mutex.ts')).asyncMutexSubject();
    case 'redis raw':
      return (await import('./redis.ts')).rawRedisSubject(spec.client, spec.port);
    case 'redis':
      return (await import('./redis.ts')).redisSubject(spec);
    case 'redis permits':
      return (await import('./redis.ts')).redisPermitsSubject(spec.port, spec.limit);
    case 'redis shared':
      return (await import('./redis.ts')).redisSharedSubject(spec.port);
    case 'redis-semaphore permits':
      return (await import('./competitors.ts')).redisSemaphoreSubject(spec.port, spec.limit);
    case 'handoff':
      return (await import('./handoff.ts')).handoffSubject(spec.port);
    case 'etcd raw':
      return (await import('./etcd.ts')).rawEtcdSubject(spec.port);
    case 'etcd raw queue':
      return (await import('./etcd.ts')).rawEtcdQueueSubject(spec.port);
    case 'etcd': {
      const { openEtcd } = await import('@holdfast/adapter-etcd');
      return locksSubject(openEtcd({ hosts: [`127.0.0.1:${spec.port}`] }), { options: orderOf(spec) });
    }
    case 'zookeeper raw':
      return (await import('./zookeeper.ts')).rawZookeeperSubject(spec.port);
    case 'zookeeper': {
      const { openZookeeper } = await import('@holdfast/adapter-zookeeper');
      return locksSubject(openZookeeper({ servers: `127.0.0.1:${spec.port}` }), { options: orderOf(spec) });
    }
    case 'postgres':
      return (await import('./postgres.ts')).postgresSubject(spec.port);
    case 'postgres raw':
      return (await import('./postgres.ts')).rawPostgresSubject(spec.port);
    case 'postgres advisory loop':
      return (await import('./postgres.ts')).advisorySubject(spec.port, 'loop');
    case 'postgres advisory transaction':
      return (await import('./postgres.ts')).advisorySubject(spec.port, 'transaction');
    case 'redlock package':
      return (await import('./redlock.ts')).redlockPackageSubject(spec.ports);
    case 'redlock':
      return (await import('./redlock.ts')).redlockSubject(spec.ports, spec.fencing);
    case 'redlock raw':
      return (await import('./redlock.ts')).rawRedlockSubject(spec.ports);
    case 'rival':
      return (await import('./competitors.ts')).rivalSubject(spec.library, spec.tuned, spec.port);
  }
}
