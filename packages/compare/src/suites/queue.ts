import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ioredisAdapter } from '@holdfast/adapter-ioredis';
import { createLocks, type Locks, type LocksOptions } from '@holdfast/lock-core';
import { type RedisServer, startRedis } from '@holdfast/testbed';
import { figure, spreadText } from '../format.ts';
import type { CycleFigures } from '../measures/cycles.ts';
import type { Progress } from '../progress.ts';
import { column, interleave, type Rounds } from '../rounds.ts';
import { redisCounters, redisVersion } from '../servers.ts';
import { median, ratios, spread } from '../stats.ts';
import { startSubject } from '../subject-processes.ts';
import { connectIoredis } from '../subjects/redis-clients.ts';
import type { Suite, Table, Target } from '../suite.ts';

const readers = 1_000;
const [alone, subscribers, aborted] = ['alone', '100 idle subscribers', '1,000 aborted waiters behind it'];
const crowd = { places: 10_000, processes: 100 };
/** The key that a lone task takes again and again, which is the first one of `measureCycles`. */
const loneKey = 'bench-0';

/** Locks with a connection of their own, as a process has. */
async function openLocks({ port }: RedisServer, options?: LocksOptions): Promise<Locks & AsyncDisposable> {
  const client = connectIoredis('ioredis 6', port);
  await client.ping();
  const locks = createLocks(ioredisAdapter(client), options);
  const close = async (): Promise<void> => {
    await locks.close();
    client.disconnect();
  };
  return { ...locks, close, [Symbol.asyncDispose]: close };
}

/** Redis: what it costs that others wait, or have waited. */
export const queue: Suite = {
  title:
    'Redis, the queue: readers behind a writer, a lone task beside those who only listen or have left, many who wait',
  async run({ rounds, quick }, progress) {
    await using server = await startRedis({ args: ['--appendonly', 'no'] });
    const times = rounds ?? (quick ? 3 : 7);
    const admitted: number[] = [];
    for (let i = 0; i < times; i += 1) {
      progress(`round ${i + 1} of ${times}: ${readers} readers`);
      admitted.push(await commandsToAdmit(server, `readers-${i}`));
    }
    const lone = await loneRounds(server, quick ? times : 2 * times, quick ? 300 : 500, progress);
    progress(`${figure(crowd.places)} places`);
    const waiting = await measureWaiting(server, quick ? 3_000 : 10_000);
    return {
      server: await redisVersion(server),
      tables: [
        {
          title: `${figure(readers)} readers of one process behind a writer: from its release until all are admitted`,
          head: ['', 'server commands'],
          rows: [['shared locks', spreadText(spread(admitted))]],
        },
        loneTable(lone),
        {
          title: `${figure(crowd.places)} places, each on a key of its own, of ${crowd.processes} clients`,
          head: ['', 'calls/s and client', 'server CPU, of a core'],
          rows: [['heartbeats', figure(waiting.calls), figure(waiting.cpu)]],
        },
      ],
      targets: [
        {
          what: `server commands to admit ${figure(readers)} readers`,
          value: spread(admitted),
          limit: 20,
          better: 'less',
          unit: '',
        },
        ...[subscribers, aborted].map(
          (name): Target => ({
            what: `a lone task with ${name} / without`,
            value: spread(ratios(column(lone, name, ops), column(lone, alone, ops))),
            limit: 0.97,
            better: 'more',
            unit: '',
          }),
        ),
        {
          what: `calls to keep ${figure(crowd.places / crowd.processes)} places of a process`,
          value: spread([waiting.calls]),
          limit: 1,
          better: 'less',
          unit: '/s',
        },
      ],
      failures: [],
      rounds: { admitted, lone: Object.fromEntries(lone), waiting },
    };
  },
};

const ops = ({ opsPerSecond }: CycleFigures): number => opsPerSecond;

/** From the release of a writer in another process to the last of the readers, commands within scripts counted. */
async function commandsToAdmit(server: RedisServer, key: string): Promise<number> {
  await using writing = await openLocks(server);
  await using reading = await openLocks(server);
  const writer = await writing.acquire(key);
  const waiting = Array.from({ length: readers }, () => reading.acquire(key, { mode: 'shared' }));
  while (((await reading.inspect(key))?.waiters ?? 0) === 0) await sleep(10);
  const before = await redisCounters(server);
  await writer.release();
  const locks = await Promise.all(waiting);
  const after = await redisCounters(server);
  await Promise.all(locks.map((lock) => lock.release()));
  // The look at the counters is one.
  return after.commands - before.commands - 1;
}

/** One task that takes one key again and again, as others stand by. */
async function loneRounds(
  server: RedisServer,
  rounds: number,
  forMs: number,
  progress: Progress,
): Promise<Rounds<CycleFigures>> {
  await using subject = await startSubject({ kind: 'redis', client: 'ioredis 6', port: server.port, fencing: true });
  const cycles = (): Promise<CycleFigures> => subject.ask('cycles', { inFlight: 1, forMs, oneKey: true });
  for (let i = 0; i < 4; i += 1) await cycles();
  return await interleave([alone, subscribers, aborted], rounds, progress, async (name) => {
    if (name === aborted) await leaveInQueue(server, 1_000);
    if (name !== subscribers) return cycles();
    const listening = await Promise.all(Array.from({ length: 100 }, () => subscribe(server.port)));
    const figures = await cycles();
    for (const socket of listening) socket.destroy();
    return figures;
  });
}

/** A connection that listens to the channel of the key, and does nothing with what it hears. */
async function subscribe(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.write(`SUBSCRIBE lock:${loneKey}\r\n`);
  await once(socket, 'data');
  return socket.resume();
}

/** Has so many callers queue up for the key of the lone task, and give up. */
async function leaveInQueue(server: RedisServer, callers: number): Promise<void> {
  await using holding = await openLocks(server);
  await using leaving = await openLocks(server, { localRun: { count: 0 } });
  const lock = await holding.acquire(loneKey);
  const ending = new AbortController();
  const waiting = Array.from({ length: callers }, () => leaving.acquire(loneKey, { signal: ending.signal }));
  while (((await holding.inspect(loneKey))?.waiters ?? 0) < callers) await sleep(10);
  ending.abort();
  await Promise.allSettled(waiting);
  await lock.release();
}

/** What the heartbeats of many places cost: calls a second of each client, and which part of a core the server needs. */
async function measureWaiting(server: RedisServer, forMs: number): Promise<{ calls: number; cpu: number }> {
  await using holding = await openLocks(server);
  const keys = Array.from({ length: crowd.places }, (_, i) => `crowd-${i}`);
  for (let at = 0; at < keys.length; at += 500) {
    await Promise.all(keys.slice(at, at + 500).map((key) => holding.acquire(key, { ttlMs: 120_000 })));
  }
  const each = crowd.places / crowd.processes;
  const clients: (Locks & AsyncDisposable)[] = [];
  const ending = new AbortController();
  const waiting: Promise<unknown>[] = [];
  for (let at = 0; at < keys.length; at += each) {
    const locks = await openLocks(server);
    clients.push(locks);
    for (const key of keys.slice(at, at + each)) waiting.push(locks.acquire(key, { signal: ending.signal }));
  }
  for (const key of [keys[0]!, keys.at(-1)!]) {
    while (((await holding.inspect(key))?.waiters ?? 0) === 0) await sleep(50);
  }
  await sleep(1_000);
  const before = await redisCounters(server);
  await sleep(forMs);
  const after = await redisCounters(server);
  ending.abort();
  await Promise.allSettled(waiting);
  await Promise.all(clients.map((locks) => locks.close()));
  const seconds = forMs / 1_000;
  return {
    calls: (after.scripts - before.scripts) / seconds / crowd.processes,
    cpu: (after.cpuSeconds - before.cpuSeconds) / seconds,
  };
}

function loneTable(lone: Rounds<CycleFigures>): Table {
  return {
    title: 'One task that takes one key again and again. Ratios are within each round: median (half of the rounds).',
    head: ['', 'ops/s', 'ratio'],
    rows: [...lone.keys()].map((name) => [
      name,
      figure(median(column(lone, name, ops))),
      name === alone ? '1' : spreadText(spread(ratios(column(lone, name, ops), column(lone, alone, ops)))),
    ]),
  };
}
