import type { LockAdapter } from '@holdfast/lock-core';
import { createMachine } from '../engine/machine.ts';
import { firstPort } from '../engine/socket.ts';
import { createRedisServer, type RedisServer } from '../servers/redis/server.ts';
import type { Backend, BackendModel, ClientProcess, Stage } from './backend.ts';
import { connectRedis } from './redis-clients.ts';

/** Redlock over some Redis servers, each with a clock of its own. */
export const redlockModel: BackendModel = {
  entry: `
    export { createLocks, isLockError } from '@holdfast/lock-core';
    export { ioredisBinding, nodeRedisBinding } from '@holdfast/redis-protocol';
    export { redlockAdapter } from '@holdfast/adapter-redlock';
  `,
  libraries: ['ioredis', 'redis'],
  serverFaults: ({ nodes }) => [
    'flush scripts',
    'flush scripts',
    'restart empty',
    'read-only',
    'out of memory',
    'wall clock far off',
    'wall clock far off',
    ...(nodes === 1 ? [] : ['leads to another server', 'leads to another server']),
  ],
  slowestHintMs: 4_000,
  drawOptions: (random) => ({
    client: random.pick(['ioredis', 'redis']),
    nodes: random.pick([1, 3, 3, 3, 4, 5]),
    fencing: random.chance(0.8),
    nodeTimeoutMs: Math.round(random.spread(20, 1_000)),
  }),
  hasClaims: true,
  takesModes: () => true,
  servers: ({ nodes }) => nodes as number,
  // Where answers take longer than the time-out that was chosen, no call succeeds but by chance.
  isAsked: ({ nodeTimeoutMs }) => Number(nodeTimeoutMs) > 200,
  create: createRedlockBackend,
};

function createRedlockBackend(stage: Stage): Backend {
  const { world, network, schedule, excuseHolds } = stage;
  const { options } = schedule;
  const nodes = options.nodes as number;
  const random = world.random.fork('redlock');
  const goodClocks = schedule.clients.every(({ rate }) => rate === 1);
  const servers = Array.from({ length: nodes }, (_, i) => {
    const rate = goodClocks ? 1 : 1 + (random.next() - 0.5) * 0.002;
    const machine = createMachine(world, `server ${i + 1}`, { rate, wallOffsetMs: random.int(-2_000, 2_000) });
    const server = createRedisServer(machine, 0, () => 0);
    network.hosts.push({ machine, isUp: true, accept: server.accept });
    return server;
  });

  const refuse = (index: number, message: string, ms: number): void => {
    const refusal = { to: 'writes', message } as const;
    servers[index]!.refusal = refusal;
    world.after(ms, () => {
      if (servers[index]!.refusal === refusal) servers[index]!.refusal = undefined;
    });
  };

  const strays = (): string[] =>
    servers.flatMap(({ store, machine }) =>
      store.keys().flatMap((key) => (key.startsWith('lock:') ? [`the key ${key} at ${machine.name}`] : [])),
    );
  const places = (): string[] =>
    servers.flatMap(({ store, machine }) =>
      store.keys().flatMap((key) => (/^fence:(queue|places):/.test(key) ? [`the key ${key} at ${machine.name}`] : [])),
    );

  return {
    connect: (client) => connectAdapter(client, stage),
    /** Whoever has enough votes, the first of them. */
    holderOf(key) {
      const owners = new Map<string, number[]>();
      let needed = Math.floor(nodes / 2) + 1;
      for (const server of servers) {
        const { limit, votes } = votesAt(server, key);
        if (limit !== undefined) needed = votesFor(nodes, limit);
        for (const [owner, remainingMs] of votes) owners.set(owner, [...(owners.get(owner) ?? []), remainingMs]);
      }
      const winner = [...owners].find(([, votes]) => votes.length >= needed);
      return winner === undefined ? undefined : { owner: winner[0], remainingMs: Math.min(...winner[1]) };
    },
    fault(name, index, ms) {
      const server = servers[index]!;
      switch (name) {
        case 'flush scripts':
          return server.flushScripts();
        case 'restart empty':
          network.resetAll((connection) => connection.server === index);
          server.restart(new Map());
          return excuseHolds('a server forgot its votes');
        case 'read-only':
          return refuse(index, "READONLY You can't write against a read only replica.", ms);
        case 'out of memory':
          return refuse(index, "OOM command not allowed when used memory > 'maxmemory'.", ms);
        case 'wall clock far off':
          // Some days; who connects anew learns of it, the others do not.
          server.machine.stepWall(ms * 1_000_000);
          network.resetAll(({ client, server: to }) => to === index && client === 0);
          return excuseHolds('the clock of a server jumped');
        case 'leads to another server': {
          const leave = (): void => network.resetAll((connection) => connection.server === index);
          network.lead(index, (index + 1) % nodes);
          leave();
          world.after(ms, () => {
            network.lead(index, index);
            leave();
          });
        }
      }
    },
    heal() {
      for (const server of servers) server.refusal = undefined;
    },
    strays,
    subscriptions: () =>
      servers.reduce((sum, { sessions }) => sum + [...sessions].reduce((of, { channels }) => of + channels.size, 0), 0),
    leftovers: () => [
      ...strays(),
      ...places(),
      ...servers.flatMap(({ sessions, machine }) =>
        [...sessions].flatMap(({ channels }) =>
          [...channels].map((channel) => `a subscription to ${channel} at ${machine.name}`),
        ),
      ),
    ],
  };
}

/** With one vote less there could be more permits than the limit says. */
const votesFor = (nodes: number, limit: number): number => Math.floor((nodes * limit) / (limit + 1)) + 1;

/** The votes that stand at one server, by owner, and how many ms they last. */
function votesAt({ store }: RedisServer, key: string): { limit?: number; votes: (readonly [string, number])[] } {
  const entry = store.get(`lock:${key}`);
  if (entry === undefined) return { votes: [] };
  const limit = /^\(permits (\d+)\)$/.exec(entry.value)?.[1];
  if (limit === undefined && entry.value !== '(shared)') {
    return { votes: [[entry.value.replace(/:\d+$/, ''), (entry.expiresAt ?? 0) - store.now()]] };
  }
  const members = [...(store.get(`fence:queue:{lock:${key}}`)?.members ?? [])];
  const votes = members
    .map(([owner, end]) => [owner, Number(end) - store.now()] as const)
    // What is far ahead is the ticket of a waiter.
    .filter(([, leftMs]) => leftMs >= 0 && leftMs < 1e13);
  return { ...(limit !== undefined && { limit: Number(limit) }), votes };
}

function connectAdapter(client: ClientProcess, { schedule, programs }: Stage): () => LockAdapter {
  const { options } = schedule;
  const nodes = Array.from({ length: options.nodes as number }, (_, i) =>
    connectRedis(client, programs, options.client as string, firstPort + i),
  );
  const make = client.shipped.redlockAdapter as (nodes: unknown[], options: object) => LockAdapter;
  const { nodeTimeoutMs } = options;
  // Who plays claims looks at tokens.
  const fencing = schedule.claims !== undefined || options.fencing;
  return () =>
    make(
      nodes.map((node) => node.client),
      { fencing, nodeTimeoutMs },
    );
}
