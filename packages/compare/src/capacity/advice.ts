import type { BackendId } from '../report/schema.ts';

/** How to go past what one server, or one group of servers, carries. */
export const beyond: Readonly<Record<BackendId, string>> = {
  memory: 'More processes cannot share these locks: change the backend in the configuration.',
  ioredis:
    'Use a Redis Cluster, which distributes locks by key; each hold is then renewed by its own request. Or use several Redis servers, and a fixed rule in the application that assigns each key to a server. For more connections, raise `maxclients` (and the limit of open files), or hold the locks in fewer processes.',
  'node-redis': 'As with ioredis.',
  redlock:
    'Use a second group of nodes, and a fixed rule in the application that assigns each key to a group. More nodes in the same group only make every lock more expensive. For more connections, raise `maxclients` on each node.',
  zookeeper:
    'A larger Java heap holds more locks. Observers relieve the voting servers of connections and reads. For more writes, use a second ensemble, and a fixed rule that assigns each key to an ensemble. `maxClientCnxns` (60 by default) limits the connections from one address.',
  etcd: 'Use a second cluster, and a fixed rule that assigns each key to a cluster: more members make writes slower, not faster. `--quota-backend-bytes` (2 GiB by default) limits the data, including old revisions until they are compacted.',
  postgres:
    'Use a second server, and a fixed rule in the application that assigns each key to a server. Standbys do not help, because every request for a lock goes to the primary. For more connections, use a pooler such as PgBouncer (waiters then poll), a smaller `maxConnections`, or fewer processes; a higher `max_connections` costs the server memory. Vacuuming must keep up, because each renewal writes a new version of its row.',
};

/** What the figures do not include. */
export const assumptions: readonly string[] = [
  'The figures are for held locks only, distributed evenly over the processes. The cost of acquiring, waiting and releasing is in addition: see the other sections of the report.',
  'Figures for more locks than were held in the run are marked *. They are extrapolated: requests by their fitted exponent, CPU at least in proportion.',
  'Locks are renewed every third of the TTL, so twice the TTL means about half as many requests per second.',
  'Connections are those of the measured process. A Redis client has one to each server, and one more from its first wait on. On PostgreSQL, each process has up to `maxConnections` (10 by default), and one more from its first wait on. Processes that hold nothing count only with their connections.',
  'The CPU and memory that a process costs the servers in addition to its locks were not measured separately. With thousands of processes, regard server cores and memory as a lower bound.',
  'The memory of PostgreSQL is the size of its tables and indexes, including old versions that have not been vacuumed yet.',
  'The memory of ZooKeeper is the size of its data, without the overhead of Java.',
  'Clients and servers shared one machine, without a network between them.',
];
