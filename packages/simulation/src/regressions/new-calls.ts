import { patch, type Regression } from './regression.ts';

/** Faults of several keys, leaders, those who watch, graces, downgrades, and of the queue that memory has. */
export const newCallRegressions: readonly Regression[] = [
  {
    name: 'several keys are taken in the order in which they are named',
    backends: ['memory'],
    about: 'several keys',
    patches: [patch('lock-core/lock-group.ts', 'const sorted = sortKeys(keys);', 'const sorted = [...new Set(keys)];')],
  },
  {
    name: 'several keys of which one fails: those before it are kept',
    backends: ['memory'],
    patches: [
      patch(
        'lock-core/lock-group.ts',
        'await group.release();\n      throw',
        'if (group.locks.length === 0) await group.release();\n      throw',
      ),
    ],
  },
  {
    name: 'a leader that lost its term is done',
    backends: ['memory'],
    patches: [patch('lock-core/locks.ts', 'if (!wasLost) return;', 'return;')],
  },
  {
    name: 'a watch looks again at hints only',
    backends: ['memory'],
    patches: [patch('lock-core/watch.ts', 'const pollMs = 500;', 'const pollMs = 2 ** 30;')],
  },
  {
    name: 'a watch shows no more than the first state',
    backends: ['memory', 'redis'],
    patches: [
      patch('lock-core/watch.ts', 'if (state !== last) yield seen.info;', 'if (last === undefined) yield seen.info;'),
    ],
  },
  {
    name: 'a watch does not end with its signal',
    backends: ['memory'],
    patches: [
      patch(
        'lock-core/watch.ts',
        'const stopListening = [closing, signal].map(',
        'const stopListening = [closing].map(',
      ),
    ],
  },
  {
    name: 'an acquire does not ask for the grace',
    backends: ['memory'],
    patches: [
      patch('lock-core/lease.ts', 'if (this.graceMs === 0) return this;', 'if (this.graceMs >= 0) return this;'),
    ],
  },
  {
    name: 'memory: a newcomer passes those who wait',
    backends: ['memory'],
    patches: [patch('adapter-memory/adapter.ts', 'if (entry.queue?.size || !isCompatible(', 'if (!isCompatible(')],
  },
  {
    name: 'memory: a downgrade frees the key',
    backends: ['memory'],
    patches: [
      patch(
        'adapter-memory/adapter.ts',
        'settle(store, key, entry, now);\n  return renewed;',
        'endHolds(store, key, entry, owner, now);\n  return renewed;',
      ),
    ],
  },
  {
    name: 'memory: a place of one who has left is granted the key',
    backends: ['memory'],
    patches: [
      patch(
        'adapter-memory/waiters.ts',
        'entry.queue.delete(waiter.owner);\n',
        'if (waiter.ttlMs < 0) entry.queue.delete(waiter.owner);\n',
      ),
    ],
  },
  {
    name: 'Redis queue: the key ends with the lease of the reader that was renewed last',
    backends: ['redis'],
    inClaims: true,
    patches: [
      patch(
        'redis-protocol/lua/queue.lua',
        "call('SET', lock, held, 'PX', string.format('%.0f', math.max(1, last - now)))",
        "call('SET', lock, held, 'PX', ttl)",
      ),
    ],
  },
  {
    name: 'Redis queue: a downgrade does not keep the key',
    backends: ['redis'],
    inClaims: true,
    patches: [
      patch('redis-protocol/lua/downgrade.lua', "enter(owner, ttl, 's', '0', '0', block)", "call('DEL', lock)"),
    ],
  },
  {
    name: 'Redis queue: a downgrade lets in whoever is next',
    backends: ['redis'],
    inClaims: true,
    patches: [
      patch(
        'redis-protocol/lua/queue.lua',
        'if not held then return true end',
        "if not held or held == '(shared)' then return true end",
      ),
    ],
  },
  {
    name: 'ZooKeeper: a newcomer of a semaphore does not look at those before it',
    backends: ['zookeeper'],
    inClaims: true,
    patches: [
      patch(
        'adapter-zookeeper/position.ts',
        'sum += other.permits;\n    if (sum > claim.limit) return blockers;',
        'if (sum > claim.limit) return blockers;',
      ),
    ],
  },
  {
    name: 'etcd: a writer does not wait for the readers before it',
    backends: ['etcd'],
    inClaims: true,
    patches: [
      patch(
        'adapter-etcd/position.ts',
        "if (claim.mode === 'exclusive') return ahead.slice(0, 1);",
        "if (claim.mode === 'exclusive') return ahead.filter((key) => claimOf(key).mode !== 'shared').slice(0, 1);",
      ),
    ],
  },
];
