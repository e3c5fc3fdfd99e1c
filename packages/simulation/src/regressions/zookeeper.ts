import { patch, type Regression } from './regression.ts';

const inAdapter = (file: string, find: string, replace: string) => patch(`adapter-zookeeper/${file}`, find, replace);

/** Faults of the ZooKeeper adapter. */
export const zookeeperRegressions: readonly Regression[] = [
  {
    name: 'ZooKeeper: whoever stood behind a node that is removed holds the lock',
    backends: ['zookeeper'],
    patches: [
      inAdapter(
        'lock-nodes.ts',
        'if (removed && wasAlone && this.#watches.isSet(next.path)) next',
        'if (removed) next',
      ),
    ],
  },
  {
    name: 'ZooKeeper: a release does not look whose node it is',
    backends: ['zookeeper'],
    patches: [
      inAdapter(
        'names.ts',
        'child.startsWith(prefix) && /^(?:lock|shared|\\d+of\\d+)--?\\d{9,10}$/.test(child.slice(prefix.length));',
        'child.slice(0, 3) === prefix.slice(0, 3);',
      ),
    ],
  },
  {
    name: 'ZooKeeper: a node whose name was never answered is not removed',
    backends: ['zookeeper'],
    patches: [inAdapter('nodes.ts', 'const removed = await this.#requests.remove(path);', 'const removed = false;')],
  },
  {
    name: 'ZooKeeper: a lease outlasts its session',
    backends: ['zookeeper'],
    inClaims: true,
    patches: [inAdapter('adapter.ts', 'Math.min(validUntil(session), leaseEnd)', 'leaseEnd')],
  },
  {
    name: 'ZooKeeper: a watch that was lost with its connection is waited for',
    backends: ['zookeeper'],
    patches: [inAdapter('watches.ts', 'if (each.connection === connection) fire(path, each);', '')],
  },
  {
    name: 'ZooKeeper: a watch on a node that has gone is waited for',
    backends: ['zookeeper'],
    patches: [
      inAdapter('watches.ts', 'if (connection === undefined) onEvent();', 'if (connection === undefined) return;'),
    ],
  },
];
