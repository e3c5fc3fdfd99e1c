import type { LockAdapter } from '@holdfast/lock-core';
import { firstPort } from '../engine/socket.ts';
import { type Cluster, type ClusterTerms, createCluster } from '../servers/etcd/cluster.ts';
import type { TxnRequest } from '../servers/etcd/messages.ts';
import type { Store, Stored } from '../servers/etcd/store.ts';
import type { Backend, BackendModel, ClientProcess, Stage } from './backend.ts';
import { createGrpc, protoLoader } from './etcd-grpc.ts';

const user = { name: 'app', password: 'p' };

/** A cluster of etcd, and the shipped adapter over etcd3; gRPC below it is simulated. */
export const etcdModel: BackendModel = {
  entry: `
    export { createLocks, isLockError } from '@holdfast/lock-core';
    export { etcdAdapter } from '@holdfast/adapter-etcd';
    export { fencedEtcdWrite } from '@holdfast/guards';
  `,
  libraries: ['etcd3'],
  imports: ['etcd3'],
  replacements: (environment) => ({
    '@grpc/grpc-js': createGrpc(environment),
    '@grpc/proto-loader': protoLoader,
  }),
  serverFaults: ({ authentication }) => [
    'leader change',
    'leader change',
    'cut off',
    'lag',
    'compaction',
    'compactions',
    ...(authentication ? ['tokens expire', 'users change'] : []),
    'database full',
  ],
  slowestHintMs: 4_000,
  hasGuard: true,
  hasClaims: true,
  takesModes: () => true,
  drawOptions: (random) => ({
    members: random.pick([1, 1, 3]),
    leastTtlSeconds: random.pick([1, 2]),
    forgetsDeletes: random.chance(0.5),
    callTimeoutMs: Math.round(random.pick([2_000, 5_000, random.spread(20, 5_000)])),
    authentication: random.chance(0.3),
    token: random.pick(['simple', 'jwt']),
    tokenTtlMs: random.spread(200, 300_000),
  }),
  servers: ({ members }) => members as number,
  isFifo: () => true,
  localRunCount: 512,
  // Where answers take longer than the time-out that was chosen, no call succeeds but by chance.
  mayRefuseFreeKey: ({ callTimeoutMs }) => Number(callTimeoutMs) < 500,
  granularityMs: 1_000,
  servesWithinMs: 4,
  create: createEtcdBackend,
};

function createEtcdBackend(stage: Stage): Backend {
  const { world, network, schedule } = stage;
  const { options } = schedule;
  const random = world.random.fork('etcd members');
  const goodClocks = schedule.clients.every(({ rate }) => rate === 1);
  const cluster: Cluster = createCluster(world, network, {
    members: options.members as number,
    rateOf: () => (goodClocks ? 1 : 1 + (random.next() - 0.5) * 0.002),
    leastTtlSeconds: options.leastTtlSeconds as number,
    forgetsDeletes: options.forgetsDeletes as boolean,
    onRequest: createForceObserver(stage, () => cluster),
    user: options.authentication
      ? { ...user, token: options.token as 'simple', tokenTtlMs: options.tokenTtlMs as number }
      : undefined,
  });
  const { store, leases } = cluster.state;
  return {
    connect: (client) => connectAdapter(client, stage),
    holderOf(key) {
      const [holder] = holdersIn(store, key);
      if (holder === undefined) return undefined;
      const lease = leases.get(holder.lease);
      return {
        owner: holder.key.toString().slice(`locks/${key}/`.length),
        remainingMs: lease && lease.expiresAt - cluster.leader.machine.now(),
      };
    },
    fault: createFaults(stage, cluster),
    guarded: (key) => store.within(Buffer.from(dataOf(key)), Buffer.alloc(0))[0]?.value.toString(),
    heal() {
      cluster.state.noSpace = false;
      for (const member of cluster.members) member.lagMs = 0;
    },
    subscriptions: () =>
      cluster.members.reduce(
        (sum, { watches }) => sum + [...watches.streams].reduce((of, { size }) => of + size, 0),
        0,
      ),
    leftovers: () => [
      ...store
        .within(Buffer.from([0]), Buffer.from([0]))
        .map(({ key }) => key.toString())
        .filter((key) => !/^(data|fence)\//.test(key))
        .map((key) => `the key ${key}`),
      ...cluster.members.flatMap(({ watches, machine }) =>
        [...watches.streams].map(({ size }) => `a stream of ${size} watches at ${machine.name}`),
      ),
    ],
  };
}

/** A client that deletes the key of a holder that it did not create has freed it by force. */
function createForceObserver({ freedByForce }: Stage, cluster: () => Cluster): ClusterTerms['onRequest'] {
  const made = new Set<string>();

  return (client, { method, request }) => {
    if (method !== 'Txn') return;
    const { compare, success } = request as TxnRequest;
    for (const op of success.flatMap((one) => [one, ...(one.request_txn?.success ?? [])])) {
      if (op.request_put) made.add(`${client} ${op.request_put.key.toString()}`);
    }
    const key = success[0]?.request_delete_range?.key;
    if (key === undefined || success.length > 1 || made.has(`${client} ${key.toString()}`)) return;
    const { store } = cluster().state;
    const [, lock = '', owner = ''] = key.toString().split('/');
    const holder = holdersIn(store, lock).find((held) => held.key.equals(key));
    if (holder?.created === Number(compare[0]?.create_revision)) freedByForce(client, lock, owner);
  };
}

/** The oldest key of a lock holds it, and those behind it whose claims go together with all before them. */
function holdersIn(store: Store, lock: string): Stored[] {
  const keys = store.within(Buffer.from(`locks/${lock}/`), Buffer.from(`locks/${lock}0`));
  keys.sort((a, b) => a.created - b.created);
  const claimOf = ({ value }: Stored): string =>
    value.toString().replace('downgraded', 'shared').split(' ').slice(1).join(' ');
  const first = keys[0] && claimOf(keys[0]);
  if (!first) return keys.slice(0, 1);
  let left = Number(first.split(' of ')[1] ?? 0);
  const next = keys.findIndex((key) => {
    const [permits, limit] = claimOf(key).split(' of ');
    if (limit === undefined) return claimOf(key) !== first;
    left -= Number(permits);
    return left < 0 || !first.endsWith(` of ${limit}`);
  });
  return next < 0 ? keys : keys.slice(0, next);
}

function createFaults({ world }: Stage, { state, members, loseLeader, cutOff, compact }: Cluster): Backend['fault'] {
  return (name, index, ms) => {
    const member = members[index]!;
    switch (name) {
      case 'leader change':
        return loseLeader(Math.min(ms, 10_000));
      case 'cut off':
        return cutOff(member, ms);
      case 'lag':
        member.lagMs = Math.min(ms, 3_000);
        return void world.after(ms, () => {
          member.lagMs = 0;
        });
      case 'compaction':
        return compact(0);
      case 'compactions':
        return compact(ms);
      case 'tokens expire':
        return state.users.expireTokens();
      case 'users change':
        return state.users.change();
      case 'database full':
        state.noSpace = true;
        return void world.after(ms, () => {
          state.noSpace = false;
        });
    }
  };
}

function connectAdapter(client: ClientProcess, { schedule: { options } }: Stage): () => LockAdapter {
  const members = options.members as number;
  // Each process has another member first.
  const hosts = Array.from({ length: members }, (_, i) => `127.0.0.1:${firstPort + ((i + client.index) % members)}`);
  const make = client.shipped.etcdAdapter as (options: object) => LockAdapter;
  const { callTimeoutMs, authentication } = options;
  const credentials = authentication ? { username: user.name, password: user.password } : {};
  client.guard = createGuard(client, { hosts, ...(authentication ? { auth: credentials } : {}) });
  return () => make({ hosts, callTimeoutMs, ...credentials });
}

const dataOf = (key: string): string => `data/${key}`;

/** Over a client of the application's own, which is made when it first writes. */
function createGuard({ environment, shipped }: ClientProcess, options: object): NonNullable<ClientProcess['guard']> {
  const { Etcd3 } = environment.require('etcd3') as { Etcd3: new (options: object) => EtcdClient };
  const write = shipped.fencedEtcdWrite as (
    client: EtcdClient,
    fence: string,
    token: bigint,
    operations?: readonly unknown[],
  ) => Promise<boolean>;
  let client: EtcdClient | undefined;
  return (key, token, isLook) => {
    client ??= new Etcd3(options);
    const operations = isLook ? undefined : [client.put(dataOf(key)).value(String(token))];
    return write(client, `fence/${key}`, token, operations);
  };
}

interface EtcdClient {
  put(key: string): { value(value: string): unknown };
}
