import { patch, type Regression } from './regression.ts';

/** Faults of the adapter for etcd. */
export const etcdRegressions: readonly Regression[] = [
  {
    name: 'etcd: a watch begins now, and not after what was seen',
    backends: ['etcd'],
    patches: [
      patch(
        'adapter-etcd/watches.ts',
        'isEarly ? seenRevision : String(BigInt(seenRevision) + 1n)',
        "isEarly && seenRevision ? '0' : '0'",
      ),
    ],
  },
  {
    name: 'etcd: a watch that comes late does not begin anew at what was seen',
    backends: ['etcd'],
    about: 'a server in trouble',
    patches: [
      patch('adapter-etcd/watches.ts', 'if (watch.isEarly || revision === watch.seenRevision) return;', 'return;'),
    ],
  },
  {
    name: 'etcd: a waiter that is woken takes the lock without a look',
    backends: ['etcd'],
    patches: [patch('adapter-etcd/queue.ts', 'if (this.#atHead) return;', 'return;')],
  },
  {
    name: 'etcd: the lock is taken past those who wait for it',
    backends: ['etcd'],
    patches: [
      patch(
        'adapter-etcd/requests.ts',
        "{ ...place.range, target: 'Create', result: 'Equal', create_revision: 0 }",
        'createdIn(place.key, 0)',
      ),
    ],
  },
  {
    name: 'etcd: a renewal does not ask the leader whether the key is there',
    backends: ['etcd'],
    patches: [
      patch(
        'adapter-etcd/key-versions.ts',
        'return versions.map(({ token }, i) => keysFound(answer, i)[0]?.create_revision === token);',
        'return versions.map(() => true);',
      ),
      patch('adapter-etcd/shared-lease.ts', 'if (seconds <= 0) return this.end();', ''),
      patch(
        'adapter-etcd/shared-lease.ts',
        'this.#extendedMs = seconds * 1_000;',
        'this.#extendedMs = this.ttlMs + 1_000;',
      ),
    ],
  },
  {
    name: 'etcd: the ID of a lease is used again',
    backends: ['etcd'],
    patches: [
      patch('adapter-etcd/leases.ts', 'return id === 0n ? newLeaseId() : String(id);', 'return String(id % 3n + 1n);'),
    ],
  },
  {
    name: 'etcd: a release does not name the key that it means',
    backends: ['etcd'],
    patches: [
      patch(
        'adapter-etcd/requests.ts',
        'const free: IRequestOp = { request_delete_range: { key } };',
        'const free: IRequestOp = { request_delete_range: range };',
      ),
      patch(
        'adapter-etcd/requests.ts',
        'txn: { compare: [createdIn(key, token)], success: [free',
        'txn: { compare: [], success: [free',
      ),
    ],
  },
];
