import { fault, inClaims, type Regression } from './regression.ts';

/** Faults where a mode, an option, something that goes wrong and a moment come together. */
export const combinationRegressions: readonly Regression[] = [
  fault(
    'redis',
    'Redis queue: permits whose lease is over are still counted',
    'redis-protocol/lua/queue.lua',
    'for _, owner in ipairs(over) do drop(owner) end',
    'for _, owner in ipairs(over) do forget(owner) end',
    { ...inClaims, about: 'a server in trouble' },
  ),
  fault(
    'memory',
    'several keys whose caller gives up: those before are kept',
    'lock-core/lock-group.ts',
    'await group.release();\n      throw isOurs',
    'if (signal?.aborted !== true) await group.release();\n      throw isOurs',
    { about: 'several keys' },
  ),
  fault(
    'memory',
    'the term of a leader does not end with its signal',
    'lock-core/locks.ts',
    'signal && term.endWith(signal)',
    'signal && (() => {})',
  ),
  fault(
    'zookeeper',
    'ZooKeeper: who stood behind a waiter that leaves holds the lock',
    'adapter-zookeeper/lock-nodes.ts',
    'const wasAlone = isExclusive && node.blockers.length === 0;',
    'const wasAlone = isExclusive;',
    { about: 'those who leave a queue' },
  ),
  fault(
    'zookeeper',
    'guards: a write to ZooKeeper does not look at the token that is there',
    'guards/zookeeper.ts',
    'if (seen !== undefined && seen.token > BigInt(text)) return false;',
    '',
  ),
];
