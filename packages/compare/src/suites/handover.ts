import { startRedis } from '@holdfast/testbed';
import { type ContestantProcess, startContestants } from '../contestant-processes.ts';
import type { ContestantSpec } from '../contestants/contestant.ts';
import { column, interleave } from '../rounds.ts';
import { redisCounters, redisVersion } from '../servers.ts';
import { ratios, spread } from '../stats.ts';
import type { Suite, Target } from '../suite.ts';
import {
  exclusionFailures,
  handovers,
  longestWait,
  measureTurnsOf,
  type TurnRound,
  turnTable,
  unfairness,
  waiters,
} from './turns.ts';

const lockClients = ['ioredis 6', 'node-redis 6'] as const;
const kinds = ['baton', ...lockClients];
const alone = (kind: string): string => `${kind}, 1 process`;
const shared = (kind: string): string => `${kind}, 2 processes`;

/** Redis: a lock that everybody wants, against a token that is passed on through a list. */
export const handover: Suite = {
  title: `Redis, one lock that all want: hand-overs against a one-round-trip baton (BLPOP, LPUSH; ${waiters} connections, no TTL)`,
  async run({ rounds, quick }, progress) {
    await using server = await startRedis({ args: ['--appendonly', 'no'] });
    const { port } = server;
    const specOf = (kind: string): ContestantSpec => {
      const client = lockClients.find((name) => name === kind);
      return client === undefined ? { kind: 'baton', port } : { kind: 'redis', client, port, fencing: true };
    };
    progress('starting');
    await using contestants = await startContestants(
      Object.fromEntries(kinds.flatMap((kind) => [1, 2].map((i) => [`${kind} ${i}`, specOf(kind)]))),
    );
    const processesOf = (name: string): ContestantProcess[] => {
      const kind = kinds.find((kind) => name.startsWith(kind))!;
      const [first, second] = [1, 2].map((i) => contestants.get(`${kind} ${i}`)!);
      return name === alone(kind) ? [first!] : [first!, second!];
    };

    const forMs = quick ? 500 : 1_500;
    let slices = 0;
    const measure = async (name: string): Promise<TurnRound> => {
      slices += 1;
      const key = `handover-${slices}`;
      if (name.startsWith('baton')) await server.command('LPUSH', key, 'token');
      const commandsSoFar = async (): Promise<number> => (await redisCounters(server)).commands;
      return measureTurnsOf(processesOf(name), { key, forMs, commandsSoFar });
    };
    const names = kinds.flatMap((kind) => [alone(kind), shared(kind)]);
    await interleave(names, 1, (text) => progress(`warming up, ${text}`), measure);
    const figures = await interleave(names, rounds ?? (quick ? 3 : 9), progress, measure);

    const toBaton = (name: string, base: string, limit: number): Target => ({
      what: `${name}: hand-overs / baton`,
      value: spread(ratios(column(figures, name, handovers), column(figures, base, handovers))),
      limit,
      better: 'more',
      unit: '',
    });
    return {
      server: await redisVersion(server),
      tables: [
        turnTable(
          figures,
          [alone, shared].flatMap((where) => kinds.map((kind) => ({ name: where(kind), base: where('baton') }))),
          'the baton',
        ),
      ],
      targets: lockClients.flatMap((client): Target[] => [
        toBaton(alone(client), alone('baton'), 5),
        {
          what: `${alone(client)}: turns of the waiter with most / with fewest`,
          value: spread(column(figures, alone(client), unfairness)),
          limit: 2,
          better: 'less',
          unit: '',
        },
        toBaton(shared(client), shared('baton'), 1),
        {
          what: `${shared(client)}: longest wait`,
          value: spread(column(figures, shared(client), longestWait)),
          limit: 100,
          better: 'less',
          unit: 'ms',
        },
      ]),
      failures: exclusionFailures(figures),
      rounds: Object.fromEntries(figures),
    };
  },
};
