import { patch, type Regression } from './regression.ts';

const claims = (backend: 'etcd' | 'zookeeper', name: string, ...patches: [string, string, string][]): Regression => ({
  name: `${backend === 'etcd' ? 'etcd' : 'ZooKeeper'}: ${name}`,
  backends: [backend],
  patches: patches.map(([file, find, replace]) => patch(`adapter-${backend}/${file}`, find, replace)),
  inClaims: true,
});

/** Faults of the queues with shared claims and permits. */
export const claimRegressions: readonly Regression[] = [
  claims('etcd', 'a shared waiter watches whoever is right before it', [
    'position.ts',
    'return nearest === undefined ? [] : [nearest];',
    'return nearest === undefined ? [] : ahead.slice(0, 1);',
  ]),
  claims('etcd', 'there is one permit more than the limit says', [
    'position.ts',
    'if (sum > claim.limit) return ahead',
    'if (sum > claim.limit + 1) return ahead',
  ]),
  claims('etcd', 'of those in the way of its permits a waiter watches one', [
    'position.ts',
    'return ahead.slice(0, i + 1);',
    'return [key];',
  ]),
  claims('etcd', 'a downgrade deletes the key and makes it anew', [
    'requests.ts',
    'const answer = await client.kv.txn({ compare: [createdIn(key, token), unchanged], success: [put(place)] }, options);',
    `await client.kv.txn({ compare: [createdIn(key, token), unchanged], success: [{ request_delete_range: { key } }] }, options);
     const answer = await client.kv.txn({ success: [put(place)] }, options);`,
  ]),
  claims('etcd', 'a waiter does not see that a hold was downgraded', [
    'watches.ts',
    'filters: writes ? [] : [FilterType.Noput]',
    'filters: [FilterType.Noput]',
  ]),
  claims('etcd', 'the limit of a key is not checked', [
    'enter-queue.ts',
    'if (refusal === undefined) return;',
    'if (refusal !== conflict) return;',
  ]),
  claims('etcd', 'who found that its claim fits does not look whether somebody has come meanwhile', [
    'requests.ts',
    'mod_revision: String(BigInt(seen) + 1n)',
    "mod_revision: seen && '9007199254740991'",
  ]),
  claims('etcd', 'a token is given in two blocks', [
    'fencing.ts',
    'BigInt(createRevision) << bits',
    'BigInt(createRevision) + 0n * bits',
  ]),
  claims('zookeeper', 'a shared waiter watches whoever is right before it', [
    'position.ts',
    'nearest === passed ? [] : [nearest];',
    'nearest === passed ? [] : [nearestIn(ahead, () => true)!.child];',
  ]),
  claims('zookeeper', 'there is one permit more than the limit says', [
    'position.ts',
    'if (sum > claim.limit) return blockers;',
    'if (sum > claim.limit + 1) return blockers;',
  ]),
  claims('zookeeper', 'of those in the way of its permits a waiter watches one', [
    'position.ts',
    'if (sum > claim.limit) return blockers;',
    'if (sum > claim.limit) return [child];',
  ]),
  claims('zookeeper', 'a downgrade removes the node and makes it anew', [
    'adapter.ts',
    'extendLease(parts, hold, ttlMs, (path) => parts.requests.setData(path, downgraded));',
    `extendLease(parts, hold, ttlMs, async (path) => {
       const stat = await parts.requests.setData(path, downgraded);
       await parts.requests.remove(path);
       await parts.requests.create(path.slice(0, -10), 3);
       return stat;
     });`,
  ]),
  claims('zookeeper', 'a waiter does not see that a hold was downgraded', [
    'wait-for-turn.ts',
    '(passed) => passed && finish(),',
    '() => {},',
  ]),
  claims('zookeeper', 'the limit of a key is not checked', [
    'lock-node.ts',
    'if (isNew && first !== undefined) assertSameUse',
    "if (isNew && first === '') assertSameUse",
  ]),
  claims('zookeeper', 'a token is given in two blocks', ['fencing.ts', 'czxid << bits', 'czxid + 0n * bits']),
  claims('zookeeper', 'a renewal believes a follower that lags behind', [
    'adapter.ts',
    'extendLease(parts, hold, ttlMs, (path) => parts.requests.freshStat(path));',
    'extendLease(parts, hold, ttlMs, (path) => parts.requests.stat(path));',
  ]),
];
