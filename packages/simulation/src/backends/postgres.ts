import type { LockAdapter } from '@holdfast/lock-core';
import { createMachine, type Machine } from '../engine/machine.ts';
import { firstPort } from '../engine/socket.ts';
import type { Random } from '../random.ts';
import type { Pause } from '../servers/postgres/scope.ts';
import { Server } from '../servers/postgres/server.ts';
import { SqlError, type Value } from '../servers/postgres/values.ts';
import type { Backend, BackendModel, ClientProcess, Stage } from './backend.ts';
import { createHolds } from './postgres-holds.ts';
import { createPins, type PgClient, type Pins } from './postgres-pins.ts';

const library = 'pg';

/** A PostgreSQL server, and the shipped adapter over the real client library; its SQL runs as it is. */
export const postgresModel: BackendModel = {
  entry: `
    export { createLocks, isLockError } from '@holdfast/lock-core';
    export { lockSchemaSql, postgresAdapter } from '@holdfast/adapter-postgres';
  `,
  libraries: [library],
  imports: [library],
  serverFaults: ({ standby }) => [
    'restart at once',
    'sessions are ended',
    'sessions are ended',
    'a session stands still',
    'a session stands still',
    'commits fail',
    'read-only',
    ...(standby === 'none' ? [] : ['failover', 'failover']),
    'clock step',
    'clock steps back',
  ],
  // A waiter that was not told looks once in a second.
  slowestHintMs: 2_500,
  hasClaims: true,
  hasTransactions: true,
  takesModes: () => true,
  drawOptions: (random) => ({
    maxConnections: random.pick([1, 2, 3, 10, 10]),
    callTimeoutMs: Math.round(random.pick([2_000, 5_000, random.spread(20, 5_000)])),
    pooler: random.chance(0.15),
    standby: random.pick(['none', 'asynchronous', 'synchronous']),
    lagMs: random.spread(0.1, 500),
    // For how long a backend may be without a processor between two steps of a function, and how often.
    pauseRate: random.pick([0, 0, 0.05, 0.3]),
    pauseMs: random.spread(0.01, 3),
    commitMs: random.pick([0.01, 0.5, 5]),
    idleInTransactionMs: random.pick([0, 2_000, 10_000, 60_000]),
    synchronousCommit: random.chance(0.85),
    createSchema: random.chance(0.1),
  }),
  servers: () => 1,
  isFifo: ({ pauseRate, maxConnections, pooler }) => pauseRate === 0 && maxConnections === 10 && !pooler,
  localRunCount: 512,
  // Where answers take longer than the time-out that was chosen, no call succeeds but by chance.
  mayRefuseFreeKey: ({ callTimeoutMs }) => Number(callTimeoutMs) < 500,
  servesWithinMs: 30,
  // One who is not told finds out within a second.
  tellsWithinMs: ({ callTimeoutMs }) => (Number(callTimeoutMs) < 500 ? Number.POSITIVE_INFINITY : 400),
  create: createPostgresBackend,
};

function createPostgresBackend(stage: Stage): Backend {
  const { world, network, schedule } = stage;
  const { options } = schedule;
  const random = world.random.fork('postgres');
  const machine = createMachine(world, 'server 1', { rate: 1, wallOffsetMs: 0 });
  const lagMs = options.lagMs as number;
  const pauses = createPauses(random.fork('pauses'), options);
  const server: Server = new Server({
    ...{ machine, pauseMs: pauses.pauseMs, maxConnections: 400, pooler: options.pooler as boolean },
    standby: options.standby as 'none',
    idleInTransactionMs: options.idleInTransactionMs as number,
    synchronousCommit: options.synchronousCommit as boolean,
    lagMs: () => random.next() * lagMs,
    onCommit() {
      pins.look();
      holds.look();
    },
  });
  const { database } = server;
  const pins: Pins = createPins(database, stage);
  const holds = createHolds(database, () => world.now);
  network.hosts.push({ machine, isUp: true, accept: server.accept });
  database.administer('CREATE TABLE data (key text PRIMARY KEY, token bigint NOT NULL)');
  let isSetUp = false;

  return {
    connect(client) {
      // As it is shipped, also where it is patched.
      if (!isSetUp && !options.createSchema) database.administer((client.shipped.lockSchemaSql as () => string)());
      isSetUp = true;
      return connectAdapter(client, stage, server, pins);
    },
    holderOf(key) {
      const digits = Buffer.from(key).toString('hex');
      const now = database.terms.clock();
      const of = (table: string) => database.committed(table).filter((row) => row.key === digits && row.owner !== null);
      const isGood = (row: Row): boolean => Number(row.expires_at) > now;
      const found = [...of('holdfast.lock'), ...of('holdfast.holder')].find(
        (row) => isGood(row) || pins.isPinned(digits, row.owner as string),
      );
      if (found === undefined) return undefined;
      const owner = Buffer.from(found.owner as string, 'hex').toString();
      return { owner, remainingMs: Math.max(0, (Number(found.expires_at) - now) / 1_000) };
    },
    heldSince: holds.since,
    guarded: (key) =>
      String(database.committed('public.data').find((row) => row.key === key)?.token ?? '') || undefined,
    fault: createFaults(server, machine, random, pauses, stage),
    heal() {
      database.refusal = undefined;
      database.failures.length = 0;
      pauses.stop();
    },
    leftovers: () => leftovers(server),
  };
}

type Row = Readonly<Record<string, Value>>;

/** For how long backends stand still in the middle of what they do. */
interface Pauses {
  pauseMs(what: Pause): number;
  /** The next step of somebody takes so long. */
  add(ms: number): void;
  stop(): void;
}

function createPauses(random: Random, options: Stage['schedule']['options']): Pauses {
  const [rate, mostMs, commitMs] = [options.pauseRate, options.pauseMs, options.commitMs] as number[];
  const long: number[] = [];
  return {
    pauseMs(what) {
      if (what === 'commit') return commitMs! * (0.5 + random.next());
      const [next] = long;
      // Anywhere in a function, and rather often between a decision and the write that follows.
      if (next !== undefined && random.chance(what === 'write' ? 0.4 : 0.1)) return long.shift()!;
      return rate! > 0 && random.chance(rate!) ? random.next() * mostMs! : 0;
    },
    add: (ms) => void long.push(ms),
    stop() {
      long.length = 0;
    },
  };
}

/** What befalls the server. What loses commits, or time, takes holds away that nobody could keep. */
function createFaults(
  server: Server,
  machine: Machine,
  random: Random,
  pauses: Pauses,
  { world, network, excuseHolds, schedule: { options } }: Stage,
): Backend['fault'] {
  const { database } = server;
  return (name, _server, ms) => {
    switch (name) {
      case 'restart at once':
        network.resetAll(() => true);
        return server.restart();
      case 'failover':
        network.resetAll(() => true);
        server.failOver();
        if (options.standby === 'asynchronous') excuseHolds('a failover lost commits');
        return;
      case 'sessions are ended': {
        const share = random.pick([0.3, 1]);
        return server.terminate(() => random.chance(share));
      }
      case 'a session stands still':
        return pauses.add(ms);
      case 'commits fail': {
        const code = random.pick(['40001', '40P01', '53100']);
        const count = random.int(1, 4);
        for (let i = 0; i < count; i++) database.failures.push(new SqlError(code, 'could not commit'));
        return;
      }
      case 'read-only': {
        const refusal = new SqlError('25006', 'cannot execute INSERT in a read-only transaction');
        database.refusal = refusal;
        return void world.after(ms, () => {
          if (database.refusal === refusal) database.refusal = undefined;
        });
      }
      case 'clock steps back':
        return machine.stepWall(-Math.min(ms, 3_000));
      case 'clock step':
        machine.stepWall(ms);
        return excuseHolds('the clock of the server jumped');
    }
  };
}

function connectAdapter(
  client: ClientProcess,
  { schedule, programs }: Stage,
  server: Server,
  pins: Pins,
): () => LockAdapter {
  const { maxConnections, callTimeoutMs, pooler, createSchema } = schedule.options;
  const url = `postgres://app@127.0.0.1:${firstPort}/app`;
  const make = client.shipped.postgresAdapter as (options: object) => LockAdapter;
  const { Client } = programs.library(library, client.environment) as { Client: new (options: object) => PgClient };
  const patience = { connectionTimeoutMillis: 2_000, query_timeout: 2_000 };
  client.openTransaction = () => pins.open(server, new Client({ connectionString: url, ...patience }));
  return () => make({ url, maxConnections, callTimeoutMs, pooler, createSchema });
}

/** What the clean-up that is shipped leaves, and sessions that nobody uses. */
function leftovers(server: Server): string[] {
  const { database } = server;
  const sessions = server.sessions.map(({ pid, status }) => `the session ${pid} (${status})`);
  if (sessions.length > 0) return sessions;
  const now = database.terms.clock();
  const tables = ['lock', 'holder', 'place'];
  const isLive = (row: Row): boolean => row.owner !== null && Number(row.expires_at ?? row.alive_until) > now;
  const rows = () => tables.flatMap((table) => database.committed(`holdfast.${table}`).map((row) => ({ table, row })));
  const live = rows().filter(({ row }) => isLive(row));
  if (live.length === 0 && database.catalog.functions.has('holdfast.sweep'))
    database.administer('SELECT holdfast.sweep()');
  return (live.length > 0 ? live : rows()).map(
    ({ table, row }) => `a row of ${table} for ${Buffer.from(row.key as string, 'hex')}`,
  );
}
