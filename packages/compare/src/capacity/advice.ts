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
    'More heap for Java holds more locks. Observers take connections and reads off the voters. More writes need a second ensemble, and a fixed rule that says which key lives on which. `maxClientCnxns` (60 by default) limits the connections from one address.',
  etcd: 'More members make writes slower, not faster: a second cluster, and a fixed rule that says which key lives on which. `--quota-backend-bytes` (2 GiB by default) limits the data, old revisions until they are compacted included.',
  postgres:
    'A second server, and a fixed rule in the application that says which key lives on which. More standbys answer no request for a lock. Connections: a pooler such as PgBouncer (waiters poll then), a smaller `maxConnections`, or locks held in fewer processes; a higher `max_connections` costs the server memory. The vacuum must keep up: each renewal writes a new version of its row.',
};

/** What no figure here says. */
export const assumptions: readonly string[] = [
  'Held locks only, spread evenly over the processes. Taking, waiting for and releasing locks comes on top: see the other sections of the report.',
  'More locks than the servers held in the run are marked *. There requests follow their fitted exponent, and CPU grows at least in proportion.',
  'Renewals run every third of the TTL: with twice the TTL there are about half as many requests a second.',
  'Connections are those of the measured process. A Redis client has one to each server, and one more from its first wait on; on PostgreSQL each process has up to `maxConnections` (10 by default) and that one more. Processes that hold nothing are counted with their connections only.',
  'What a process costs the servers beside its locks, in CPU and in memory, was not measured apart from them: with thousands of processes take server cores and memory for a lower bound.',
  'Memory of PostgreSQL is the size of its tables and indexes, with old versions that the vacuum has not yet freed.',
  'Memory of ZooKeeper is the size of its data, without what Java needs around it.',
  'Clients and servers shared one machine. A network between them was not measured.',
];
