import { type MemoryStore, memoryAdapter, memoryStore } from '@holdfast/adapter-memory';
import type { Capabilities, LockAdapter } from '@holdfast/lock-core';
import { adapterPackages } from './adapter-packages.ts';
import { invalid } from './invalid.ts';
import { hostAndPort, type LockUrl, withPorts } from './lock-url.ts';
import { type OptionTable, objectNames } from './options.ts';
import { type AdapterFactory, type AdapterPackage, openInstalled } from './packages.ts';
import { postgresTarget } from './postgres-target.ts';
import { redisTarget } from './redis-target.ts';

/** One kind of backend that a URL can name. */
export interface Scheme {
  /** An example of such a URL. */
  readonly example: string;
  /** The options of the adapter; those of every lock are allowed as well. */
  readonly options: OptionTable;
  /** Its capabilities by default, so that backends that meet a requirement can be named without loading them. */
  readonly gives: Omit<Capabilities, 'ttl'>;
  /** `given` are the factories that the application imported itself. */
  open(url: LockUrl, options: Record<string, unknown>, given: readonly AdapterFactory[]): Promise<LockAdapter>;
}

// All `memory:` URLs of a process mean the same backend, like all `redis://` URLs of one server.
let sharedMemory: MemoryStore | undefined;

const memory: Scheme = {
  example: 'memory:',
  options: { fencing: 'boolean' },
  gives: {
    fencing: true,
    fairness: 'fifo',
    expiry: 'ttl',
    wakeup: 'push',
    survivesFailover: true,
    crossProcess: false,
    shared: true,
    permits: true,
  },
  async open(url, options) {
    if (url.hosts.length > 0 || url.path !== '' || url.password !== undefined) {
      throw invalid('The lock URL memory: takes no host and no path: it is inside this process.');
    }
    sharedMemory ??= memoryStore();
    return memoryAdapter({ ...options, store: sharedMemory });
  },
};

const redisOptions: OptionTable = {
  prefix: 'text',
  fencing: 'boolean',
  waitReplicas: 'count',
  waitReplicasTimeout: 'duration',
};
const redlockGives: Scheme['gives'] = {
  fencing: true,
  fairness: 'none',
  expiry: 'ttl',
  wakeup: 'push',
  survivesFailover: false,
  crossProcess: true,
  shared: true,
  permits: true,
};
const redisGives: Scheme['gives'] = { ...redlockGives, fairness: 'fifo' };

function redis(example: string, clients: readonly AdapterPackage[]): Scheme {
  return {
    example,
    options: redisOptions,
    gives: redisGives,
    open: (url, options, given) => openInstalled(clients, redisTarget(url), options, given),
  };
}

/** `redis`, `rediss+cluster`, `redis+sentinel+node-redis`, …: TLS, topology and client can be combined. */
function redisSchemes(): Record<string, Scheme> {
  const table: Record<string, Scheme> = {};
  for (const base of ['redis', 'rediss']) {
    for (const [topology, rest] of [
      ['', 'user:password@host:6379/0'],
      ['+cluster', 'user:password@host:6379,host:6379'],
      ['+sentinel', 'user:password@host:26379,host:26379/master-name'],
    ]) {
      for (const [client, packages] of [
        ['', [adapterPackages.ioredis, adapterPackages.nodeRedis]],
        ['+ioredis', [adapterPackages.ioredis]],
        ['+node-redis', [adapterPackages.nodeRedis]],
      ] as const) {
        table[`${base}${topology}${client}`] = redis(`${base}${topology}${client}://${rest}`, packages);
      }
    }
  }
  return table;
}

function redlock(name: string, clients: readonly AdapterPackage[]): Scheme {
  const example = `${name}://user:password@host:6379,host:6379,host:6379`;
  return {
    example,
    options: { prefix: 'text', fencing: 'boolean', nodeTimeout: 'duration', permitQuorum: 'count', tls: 'boolean' },
    gives: redlockGives,
    async open(url, { tls, ...options }, given) {
      needHosts(url, example);
      const { username, password } = url;
      return openInstalled(clients, { nodes: withPorts(url, 6_379), username, password, tls }, options, given);
    },
  };
}

const zookeeper: Scheme = {
  example: 'zookeeper://user:password@host:2181,host:2181/chroot',
  options: { sessionTimeout: 'duration', prefix: 'text' },
  gives: {
    fencing: true,
    fairness: 'fifo',
    expiry: 'session',
    wakeup: 'push',
    survivesFailover: true,
    crossProcess: true,
    shared: true,
    permits: true,
  },
  async open(url, options, given) {
    needHosts(url, zookeeper.example);
    const servers = withPorts(url, 2_181).map(hostAndPort).join(',');
    const chroot = url.path === '' ? undefined : `/${url.path}`;
    const credentials = `${url.username ?? ''}:${url.password ?? ''}`;
    const auth = credentials === ':' ? undefined : { scheme: 'digest', credentials };
    return openInstalled([adapterPackages.zookeeper], { servers, chroot }, { ...options, auth }, given);
  },
};

const etcd: Scheme = {
  example: 'etcd://user:password@host:2379,host:2379/prefix',
  options: { tls: 'boolean', callTimeout: 'duration' },
  gives: {
    fencing: true,
    fairness: 'fifo',
    expiry: 'ttl',
    wakeup: 'push',
    survivesFailover: true,
    crossProcess: true,
    shared: true,
    permits: true,
  },
  async open(url, { tls, ...options }, given) {
    needHosts(url, etcd.example);
    const hosts = withPorts(url, 2_379).map(hostAndPort);
    // A prefix ends in a slash, as the default does. Otherwise `app` would include the keys of `apple`.
    const prefix = url.path === '' ? undefined : `${url.path.replace(/\/+$/, '')}/`;
    const { username, password } = url;
    return openInstalled([adapterPackages.etcd], { hosts, prefix, username, password, tls }, options, given);
  },
};

const postgres: Scheme = {
  example: 'postgres://user:password@host:5432/database',
  options: {
    schema: 'text',
    createSchema: 'boolean',
    maxConnections: 'count',
    callTimeout: 'duration',
    pooler: 'boolean',
    survivesFailover: 'boolean',
    sslmode: 'text',
    sslrootcert: 'text',
    sslcert: 'text',
    sslkey: 'text',
  },
  gives: {
    fencing: true,
    fairness: 'fifo',
    expiry: 'ttl',
    wakeup: 'push',
    survivesFailover: false,
    crossProcess: true,
    shared: true,
    permits: true,
  },
  async open(url, all, given) {
    const { target, options } = postgresTarget(url, all);
    return openInstalled([adapterPackages.postgres], target, options, given);
  },
};

function needHosts(url: LockUrl, example: string): void {
  if (url.hosts.length === 0)
    throw invalid(`The lock URL ${url.scheme}:… is not valid: it needs hosts, such as ${example}.`);
}

/** Every built-in scheme. To add one, add an entry here and its package to the optional peers. */
export const schemes: Readonly<Record<string, Scheme>> = {
  memory,
  ...redisSchemes(),
  redlock: redlock('redlock', [adapterPackages.redlockIoredis, adapterPackages.redlockNodeRedis]),
  'redlock+ioredis': redlock('redlock+ioredis', [adapterPackages.redlockIoredis]),
  'redlock+node-redis': redlock('redlock+node-redis', [adapterPackages.redlockNodeRedis]),
  zookeeper,
  etcd,
  postgres,
  postgresql: postgres,
};

/** The schemes that messages list: without the combinations of TLS, topology and client. */
export const shownSchemes: readonly string[] = [
  'memory:',
  'redis://',
  'rediss://',
  'redis+ioredis://',
  'redis+node-redis://',
  'redis+cluster://',
  'redis+sentinel://',
  'redlock://',
  'zookeeper://',
  'etcd://',
  'postgres://',
];

/** Whether a name is an option of one of the built-in adapters, as it is written in an object or in a URL. */
export function isSchemeOption(name: string): boolean {
  return Object.values(schemes).some(
    ({ options }) => Object.hasOwn(options, name) || objectNames(options).includes(name),
  );
}
