import { type MemoryStore, memoryAdapter, memoryStore } from '@holdfast/adapter-memory';
import type { Capabilities, LockAdapter } from '@holdfast/lock-core';
import { invalid } from './invalid.ts';
import { hostAndPort, type LockUrl, withPorts } from './lock-url.ts';
import type { OptionTable } from './options.ts';
import { type AdapterPackage, openInstalled } from './packages.ts';
import { redisTarget } from './redis-target.ts';

/** One kind of backend that a URL can name. */
export interface Scheme {
  /** How such a URL looks. */
  readonly example: string;
  /** The adapter's own options; those of every lock are known beside them. */
  readonly options: OptionTable;
  /** What it promises by default, to name the backends that meet a requirement without loading them. */
  readonly gives: Omit<Capabilities, 'ttl'>;
  open(url: LockUrl, options: Record<string, unknown>): Promise<LockAdapter>;
}

const ioredis: AdapterPackage = { name: '@holdfast/adapter-ioredis', needs: ['ioredis'], open: 'openIoredis' };
const nodeRedis: AdapterPackage = { name: '@holdfast/adapter-node-redis', needs: ['redis'], open: 'openNodeRedis' };
const redlockOver = (client: string, over: AdapterPackage): AdapterPackage => ({
  name: '@holdfast/adapter-redlock',
  needs: [over.name, ...over.needs],
  open: 'openRedlock',
  target: { client },
});
const redlockIoredis = redlockOver('ioredis', ioredis);
const redlockNodeRedis = redlockOver('node-redis', nodeRedis);
const zookeeperPackage: AdapterPackage = {
  name: '@holdfast/adapter-zookeeper',
  needs: ['node-zookeeper-client'],
  open: 'openZookeeper',
};
const etcdPackage: AdapterPackage = { name: '@holdfast/adapter-etcd', needs: ['etcd3'], open: 'openEtcd' };

// All `memory:` of a process are one backend, as all `redis://` of one server are.
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
  },
  async open(url, options) {
    if (url.hosts.length > 0 || url.path !== '' || url.password !== undefined) {
      throw invalid('The lock URL memory: takes no host and no path: it is in this process.');
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
const redisGives: Scheme['gives'] = {
  fencing: true,
  fairness: 'none',
  expiry: 'ttl',
  wakeup: 'push',
  survivesFailover: false,
  crossProcess: true,
};

function redis(example: string, clients: readonly AdapterPackage[]): Scheme {
  return {
    example,
    options: redisOptions,
    gives: redisGives,
    open: (url, options) => openInstalled(clients, redisTarget(url), options),
  };
}

/** `redis`, `rediss+cluster`, `redis+sentinel+node-redis`, …: TLS, topology and client may be combined. */
function redisSchemes(): Record<string, Scheme> {
  const table: Record<string, Scheme> = {};
  for (const base of ['redis', 'rediss']) {
    for (const [topology, rest] of [
      ['', 'user:password@host:6379/0'],
      ['+cluster', 'user:password@host:6379,host:6379'],
      ['+sentinel', 'user:password@host:26379,host:26379/master-name'],
    ]) {
      for (const [client, packages] of [
        ['', [ioredis, nodeRedis]],
        ['+ioredis', [ioredis]],
        ['+node-redis', [nodeRedis]],
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
    options: { prefix: 'text', fencing: 'boolean', nodeTimeout: 'duration', tls: 'boolean' },
    gives: redisGives,
    async open(url, { tls, ...options }) {
      needHosts(url, example);
      const { username, password } = url;
      return openInstalled(clients, { nodes: withPorts(url, 6_379), username, password, tls }, options);
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
  },
  async open(url, options) {
    needHosts(url, zookeeper.example);
    const servers = withPorts(url, 2_181).map(hostAndPort).join(',');
    const chroot = url.path === '' ? undefined : `/${url.path}`;
    const credentials = `${url.username ?? ''}:${url.password ?? ''}`;
    const auth = credentials === ':' ? undefined : { scheme: 'digest', credentials };
    return openInstalled([zookeeperPackage], { servers, chroot }, { ...options, auth });
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
  },
  async open(url, { tls, ...options }) {
    needHosts(url, etcd.example);
    const hosts = withPorts(url, 2_379).map(hostAndPort);
    // A prefix ends in a slash, as the default one does: `app` would have `apple` among its keys.
    const prefix = url.path === '' ? undefined : `${url.path.replace(/\/+$/, '')}/`;
    const { username, password } = url;
    return openInstalled([etcdPackage], { hosts, prefix, username, password, tls }, options);
  },
};

function needHosts(url: LockUrl, example: string): void {
  if (url.hosts.length === 0)
    throw invalid(`The lock URL ${url.scheme}:… is not valid: hosts must follow, such as ${example}.`);
}

/** Every scheme of ours. To add one: an entry here, and its package among the optional peers. */
export const schemes: Readonly<Record<string, Scheme>> = {
  memory,
  ...redisSchemes(),
  redlock: redlock('redlock', [redlockIoredis, redlockNodeRedis]),
  'redlock+ioredis': redlock('redlock+ioredis', [redlockIoredis]),
  'redlock+node-redis': redlock('redlock+node-redis', [redlockNodeRedis]),
  zookeeper,
  etcd,
};

/** The schemes as a message lists them: without the combinations of TLS, topology and client. */
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
];
