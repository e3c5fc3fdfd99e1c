import type { BackendId } from '../report/schema.ts';

/** How to go past what one server, or one group of servers, carries. */
export const beyond: Readonly<Record<BackendId, string>> = {
  memory: 'More processes cannot share these locks: change the backend in the configuration.',
  ioredis:
    'A Redis Cluster spreads the locks by their keys, with all that belongs to a lock in one slot; there each hold is renewed by a request of its own. Or several Redis servers, and a fixed rule in the application that says which key lives on which. Connections: raise `maxclients` (and the limit of open files), or hold locks in fewer processes.',
  'node-redis':
    'As for ioredis: a Redis Cluster, or several servers and a fixed rule by key; `maxclients` for connections.',
  redlock:
    'A second group of nodes of its own, and a fixed rule in the application that says which key lives on which group: more nodes in the same group make every lock dearer. `maxclients` of each node for connections.',
  zookeeper:
    'Give Java more heap, which is the first thing to run out at rest. Observers take connections and reads off the voters. More writes need a second ensemble, and a fixed rule that says which key lives on which. `maxClientCnxns` (60 by default) limits the connections from one address.',
  etcd: 'More members make writes slower, not faster: a second cluster, and a fixed rule that says which key lives on which. `--quota-backend-bytes` (2 GiB by default) limits the data, old revisions until they are compacted included.',
};

/** What no figure here says. */
export const assumptions: readonly string[] = [
  'Held locks only, spread evenly over the processes. Taking, waiting for and releasing locks comes on top: see the other sections of the report.',
  'A process with more locks than were measured is reckoned with the fitted exponents, and marked *.',
  'Below the smallest measured number the straight line through the two smallest ones is followed.',
  'Renewals run every third of the TTL: with twice the TTL there are about half as many requests a second.',
  'Processes that wait have a second connection to each Redis server; idle processes are counted with their connections only.',
  'What the servers compute without any lock is counted once. What a process costs them beside its locks was not measured apart from it, neither in CPU nor in memory: with thousands of processes take the figures for a lower bound.',
  'Clients and servers shared one machine. A network between them was not measured.',
];
