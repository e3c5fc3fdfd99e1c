import { patch, type Regression } from './regression.ts';

/** Faults of the adapter for etcd. */
export const etcdRegressions: readonly Regression[] = [
  {
    name: 'etcd: a watch begins now, and not after what was seen',
    backends: ['etcd'],
    patches: [
      patch(
        'adapter-etcd/watches.ts',
        'startRevision: String(BigInt(revision) + 1n)',
        "startRevision: revision && '0'",
      ),
    ],
  },
  {
    name: 'etcd: a watch that compaction ended wakes nobody',
    backends: ['etcd'],
    patches: [patch('adapter-etcd/watches.ts', 'if (!canceled && answer', 'if (answer')],
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
        "compare: [{ ...place.range, target: 'Create', result: 'Equal', create_revision: 0 }],",
        'compare: [createdIn(place.key, 0)],',
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
      patch('adapter-etcd/shared-lease.ts', 'if (seconds <= 0) this.end();\n    else this.goodUntil', 'this.goodUntil'),
      patch('adapter-etcd/shared-lease.ts', 'sentAt + seconds * 1_000', 'sentAt + this.ttlMs + 1_000'),
    ],
  },
  {
    name: 'etcd: a lease counts from the answer',
    backends: ['etcd'],
    patches: [
      patch(
        'adapter-etcd/shared-lease.ts',
        'sentAt + seconds * 1_000',
        'performance.now() + seconds * 1_000 + 0 * sentAt',
      ),
      patch(
        'adapter-etcd/leases.ts',
        "sentAt + secondsIn(TTL, 'the TTL",
        "performance.now() + secondsIn(TTL, 'the TTL",
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
    name: 'etcd: a waiter that gives up keeps its place',
    backends: ['etcd'],
    patches: [
      patch(
        'adapter-etcd/queue.ts',
        'await endpoints.call((client, options) => deleteSeen(client, options, own));',
        'void deleteSeen, own;',
      ),
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
  {
    name: 'etcd: a forced release does not look whose lock it is',
    backends: ['etcd'],
    patches: [
      patch(
        'adapter-etcd/adapter.ts',
        'if (owner !== undefined && layout.ownerOf(key, holder.key) !== owner) return false;',
        '',
      ),
    ],
  },
  {
    name: 'etcd: nothing follows an acquire without an answer',
    backends: ['etcd'],
    patches: [
      patch(
        'adapter-etcd/backend.ts',
        'lockKey.expiresAt = Math.max(lockKey.expiresAt, calledAt + wantedMs);',
        'void wantedMs;',
      ),
      patch('adapter-etcd/shared-lease.ts', 'this.#onList(new Set(keys.map(String)));', 'void keys;'),
    ],
  },
  {
    name: 'etcd: an acquire is sent although its owner was released',
    backends: ['etcd'],
    patches: [
      patch(
        'adapter-etcd/release.ts',
        'if (lockKey.acquiring !== undefined) await lockKey.acquiring.catch(() => {});',
        '',
      ),
      patch(
        'adapter-etcd/backend.ts',
        'if (lockKey.over) throw new OwnerReleased();\n    const mayHave',
        'const mayHave',
      ),
      patch(
        'adapter-etcd/backend.ts',
        'if (lockKey.over) await withdraw(',
        'if (lockKey.key === token) await withdraw(',
      ),
    ],
  },
];
