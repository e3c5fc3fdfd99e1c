import type { Report } from '../report/schema.ts';
import { cores, memoryBytes } from './machine-size.ts';
import type { CapacityModel, Need } from './model.ts';

/** Something that runs out. */
export interface Limit {
  /** Such as `the one core that Redis runs commands on`. */
  readonly what: string;
  /** Whether more servers help, with the keys spread over them. */
  readonly moreServersHelp: boolean;
  readonly most: number;
  readonly used: (need: Need) => number | null;
}

/** Where a number of processes can hold no more locks. */
export interface Stop {
  /** The most locks, all processes together, that no limit stands against. */
  readonly locks: number;
  /** What runs out with more; `undefined` when nothing of what is known does. */
  readonly limit: Limit | undefined;
  /** More locks than the servers held in the run. */
  readonly extrapolated: boolean;
}

/** Nobody holds more: here the search for a limit ends. */
const searchedTo = 1e9;
/** The default of `maxclients` in Redis. */
const redisClients = 10_000;
/** The default of `max_connections` in PostgreSQL, less what it keeps for superusers. */
const postgresConnections = 97;
/** The heap that the start script of ZooKeeper asks for where nobody says otherwise. */
const zookeeperHeapBytes = 1_000 * 2 ** 20;

/** What runs out of client processes, and of servers like the measured ones on a machine like the measured one. */
export function limitsOf({ machine }: Report, { backend: { id, servers } }: CapacityModel): Limit[] {
  const client: Limit = {
    what: 'the one core of a client process',
    moreServersHelp: false,
    most: 1,
    used: ({ clientCores }) => clientCores,
  };
  const whole = memoryBytes(machine);
  if (servers === 0)
    return [client, { ...memory('the memory of the machine', whole), used: ({ clientBytes }) => clientBytes }];
  const cpu = (what: string, most: number): Limit => ({
    what,
    moreServersHelp: true,
    most,
    used: ({ serverCores }) => serverCores,
  });
  switch (id) {
    case 'zookeeper':
      return [
        client,
        cpu('the cores of the machine', cores(machine)),
        memory('the default Java heap (1,000 MB)', zookeeperHeapBytes),
      ];
    case 'etcd':
      return [client, cpu('the cores of the machine', cores(machine)), memory('the memory of the machine', whole)];
    case 'postgres':
      return [
        client,
        cpu('the cores of the machine', cores(machine)),
        {
          what: 'max_connections of PostgreSQL (100 by default)',
          moreServersHelp: false,
          most: postgresConnections,
          used: ({ connections: count }) => count,
        },
        memory('the memory of the machine', whole),
      ];
    default: {
      const one = servers === 1;
      const connections: Limit = {
        what: `${one ? 'maxclients of Redis' : 'maxclients of each node'} (10,000 by default)`,
        moreServersHelp: false,
        most: redisClients * servers,
        used: ({ connections: count }) => count,
      };
      const commands = cpu(one ? 'the one core that Redis runs commands on' : 'the one core of each node', servers);
      return [client, commands, connections, memory('the memory of the machine', whole)];
    }
  }
}

function memory(what: string, most: number): Limit {
  return { what, moreServersHelp: true, most, used: ({ serverBytes }) => serverBytes };
}

/** The limits that a need is beyond. */
export function exceeded(limits: readonly Limit[], need: Need): Limit[] {
  return limits.filter(({ most, used }) => (used(need) ?? 0) > most);
}

/** How many locks so many processes can hold before something runs out. */
export function stopOf(model: CapacityModel, limits: readonly Limit[], processes: number): Stop {
  const over = (locks: number) => exceeded(limits, model.need(locks, processes));
  let [fits, tooMany] = [0, searchedTo];
  if (over(tooMany).length === 0) return { locks: tooMany, limit: undefined, extrapolated: true };
  while (tooMany - fits > Math.max(1, fits / 1_000)) {
    const middle = Math.floor((fits + tooMany) / 2);
    if (over(middle).length === 0) fits = middle;
    else tooMany = middle;
  }
  return { locks: fits, limit: over(tooMany)[0], extrapolated: fits > 0 && model.need(fits, processes).extrapolated };
}

/** How many such servers, or groups of servers, carry a need, with the keys spread over them. */
export function serversFor(limits: readonly Limit[], need: Need): number {
  const shares = limits
    .filter(({ moreServersHelp }) => moreServersHelp)
    .map(({ most, used }) => (used(need) ?? 0) / most);
  return Math.max(1, ...shares.map(Math.ceil));
}
