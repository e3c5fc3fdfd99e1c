import type { LockAdapter } from '@holdfast/lock-core';
import { createMachine } from '../engine/machine.ts';
import { firstPort } from '../engine/socket.ts';
import { createRedisServer, type RedisServer } from '../servers/redis/server.ts';
import type { Backend, BackendModel, ClientProcess, Stage } from './backend.ts';
import { connectRedis } from './redis-clients.ts';

/** One Redis server with replicas, and the shipped adapters over the real client libraries. */
export const redisModel: BackendModel = {
  entry: `
    export { createLocks, isLockError } from '@holdfast/lock-core';
    export { ioredisBinding, nodeRedisBinding, redisLockAdapter } from '@holdfast/redis-protocol';
    export { fencedRedisWrite } from '@holdfast/guards';
  `,
  libraries: ['ioredis', 'ioredis-5', 'redis', 'redis-5'],
  serverFaults: ({ waitReplicas }) => [
    ...(Number(waitReplicas) > 0 ? Array<string>(8).fill('replicas lag') : []),
    'flush scripts',
    'failover',
    'restart empty',
    'restart with an old snapshot',
    'read-only',
    'out of memory',
    'no permission',
    'clock step',
    'clock steps back',
  ],
  slowestHintMs: 2_500,
  isFifo: ({ waitReplicas }) => Number(waitReplicas) === 0,
  mayRefuseFreeKey: ({ waitReplicas }) => Number(waitReplicas) > 0,
  drawOptions: (random) => ({
    client: random.pick(['ioredis', 'ioredis', 'redis', 'redis', 'ioredis-5', 'redis-5']),
    fencing: random.chance(0.8),
    waitReplicas: random.pick([0, 0, 1, 2]),
    waitReplicasTimeoutMs: Math.round(random.spread(1, 1_000)),
    replicas: random.pick([0, 1, 2]),
    lagMs: random.spread(0.1, 200),
    offlineQueue: random.chance(0.8),
    stringNumbers: random.chance(0.2),
    buffers: random.chance(0.2),
  }),
  hasGuard: true,
  hasClaims: true,
  takesModes: () => true,
  servers: () => 1,
  create: createRedisBackend,
};

function createRedisBackend(stage: Stage): Backend {
  const { world, network, schedule } = stage;
  const { options } = schedule;
  const random = world.random.fork('redis');
  const machine = createMachine(world, 'server 1', { rate: 1, wallOffsetMs: 0 });
  const lagMs = options.lagMs as number;
  const replicaCount = Math.max(options.replicas as number, options.waitReplicas as number);
  const server = createRedisServer(machine, replicaCount, () => random.next() * lagMs);
  network.hosts.push({ machine, isUp: true, accept: server.accept });

  const fault = createFaults(stage, server);
  return {
    connect: (client) => connectAdapter(client, stage),
    holderOf(key) {
      const entry = server.store.get(`lock:${key}`);
      if (entry === undefined) return undefined;
      return {
        owner: entry.value,
        remainingMs: entry.expiresAt === undefined ? undefined : entry.expiresAt - server.store.now(),
      };
    },
    fault,
    guarded: (key) => server.store.get(dataOf(key))?.value,
    heal() {
      server.refusal = undefined;
    },
    subscriptions: () => [...server.sessions].reduce((sum, { channels }) => sum + channels.size, 0),
    leftovers: () => [
      ...server.store
        .keys()
        .filter((key) => /^(lock|fence:queue|fence:places):/.test(key))
        .map((key) => `the key ${key}`),
      ...[...server.sessions].flatMap(({ channels }) => [...channels].map((channel) => `a subscription to ${channel}`)),
    ],
  };
}

const dataOf = (key: string): string => `data:{${key}}`;

function connectAdapter(process: ClientProcess, { schedule, programs }: Stage): () => LockAdapter {
  const { options } = schedule;
  const { fencing, waitReplicas, waitReplicasTimeoutMs, offlineQueue, stringNumbers, buffers } = options;
  const { client, binding } = connectRedis(process, programs, options.client as string, firstPort, {
    offlineQueue: offlineQueue as boolean,
    stringNumbers: stringNumbers as boolean,
    buffers: buffers as boolean,
  });
  const { redisLockAdapter: make, fencedRedisWrite } = process.shipped as {
    redisLockAdapter(binding: unknown, options: object): LockAdapter;
    fencedRedisWrite(client: unknown, fence: string, token: bigint, writes?: readonly string[][]): Promise<boolean>;
  };
  process.guard = (key, token, isLook) => {
    const writes = isLook ? undefined : [['SET', dataOf(key), String(token)]];
    return fencedRedisWrite(client, `fence:{${key}}`, token, writes);
  };
  // Who plays claims looks at tokens.
  const isFenced = fencing || schedule.claims !== undefined;
  return () => make(binding(), { fencing: isFenced, waitReplicas, waitReplicasTimeoutMs });
}

/** What befalls a Redis server. What loses writes, or time, takes holds away that nobody could keep. */
function createFaults({ world, network, excuseHolds }: Stage, server: RedisServer): Backend['fault'] {
  let snapshot = server.store.copy();
  const restart = (data: Parameters<RedisServer['restart']>[0], why: string): void => {
    network.resetAll(({ server: index }) => index === 0);
    server.restart(data);
    excuseHolds(why);
  };
  const refuse = (to: 'writes' | 'everything', message: string, ms: number): void => {
    const refusal = { to, message };
    server.refusal = refusal;
    world.after(ms, () => {
      if (server.refusal === refusal) server.refusal = undefined;
    });
  };
  return (name, _server, ms) => {
    switch (name) {
      case 'flush scripts':
        return server.flushScripts();
      case 'failover':
        return restart(server.replicas[0]?.data ?? server.store.copy(), 'a failover lost writes');
      case 'restart empty':
        return restart(new Map(), 'the server forgot everything');
      case 'restart with an old snapshot':
        restart(snapshot, 'the server went back to an old snapshot');
        snapshot = server.store.copy();
        return;
      case 'replicas lag':
        for (const replica of server.replicas) replica.pause(ms);
        return;
      case 'read-only':
        return refuse('writes', "READONLY You can't write against a read only replica.", ms);
      case 'out of memory':
        return refuse('writes', "OOM command not allowed when used memory > 'maxmemory'.", ms);
      case 'no permission':
        return refuse('everything', "NOPERM User default has no permissions to run the 'set' command", ms);
      case 'clock steps back':
        // Leases last longer for it, and tokens must rise all the same.
        return server.machine.stepWall(-Math.min(ms, 3_000));
      case 'clock step':
        server.machine.stepWall(ms);
        return excuseHolds('the clock of the server jumped');
    }
  };
}
