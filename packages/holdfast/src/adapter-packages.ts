import { type AdapterPackage, loadFailure } from './packages.ts';

// Each specifier is a literal, so that bundlers include the adapter. It is in a `try` block, so that they do not fail if it is not
// installed.

const ioredis: AdapterPackage = {
  adapter: 'ioredis',
  name: '@holdfast/adapter-ioredis',
  needs: ['ioredis'],
  async load() {
    try {
      return (await import('@holdfast/adapter-ioredis')).ioredisAdapterFactory;
    } catch (error) {
      return loadFailure(error);
    }
  },
};

const nodeRedis: AdapterPackage = {
  adapter: 'node-redis',
  name: '@holdfast/adapter-node-redis',
  needs: ['redis'],
  async load() {
    try {
      return (await import('@holdfast/adapter-node-redis')).nodeRedisAdapterFactory;
    } catch (error) {
      return loadFailure(error);
    }
  },
};

const redlockOver = (client: string, over: AdapterPackage): AdapterPackage => ({
  adapter: 'redlock',
  name: '@holdfast/adapter-redlock',
  needs: [over.name, ...over.needs],
  target: { client },
  async load() {
    try {
      return (await import('@holdfast/adapter-redlock')).redlockAdapterFactory;
    } catch (error) {
      return loadFailure(error);
    }
  },
});

const zookeeper: AdapterPackage = {
  adapter: 'zookeeper',
  name: '@holdfast/adapter-zookeeper',
  needs: ['node-zookeeper-client'],
  async load() {
    try {
      return (await import('@holdfast/adapter-zookeeper')).zookeeperAdapterFactory;
    } catch (error) {
      return loadFailure(error);
    }
  },
};

const etcd: AdapterPackage = {
  adapter: 'etcd',
  name: '@holdfast/adapter-etcd',
  needs: ['etcd3'],
  async load() {
    try {
      return (await import('@holdfast/adapter-etcd')).etcdAdapterFactory;
    } catch (error) {
      return loadFailure(error);
    }
  },
};

const postgres: AdapterPackage = {
  adapter: 'postgres',
  name: '@holdfast/adapter-postgres',
  needs: ['pg'],
  async load() {
    try {
      return (await import('@holdfast/adapter-postgres')).postgresAdapterFactory;
    } catch (error) {
      return loadFailure(error);
    }
  },
};

/** Our adapter packages that bind a client library, by adapter; Redlock by the client below it. */
export const adapterPackages: Readonly<
  Record<
    'ioredis' | 'nodeRedis' | 'redlockIoredis' | 'redlockNodeRedis' | 'zookeeper' | 'etcd' | 'postgres',
    AdapterPackage
  >
> = {
  ioredis,
  nodeRedis,
  redlockIoredis: redlockOver('ioredis', ioredis),
  redlockNodeRedis: redlockOver('node-redis', nodeRedis),
  zookeeper,
  etcd,
  postgres,
};
