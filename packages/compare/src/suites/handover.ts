import { startRedis } from '@holdfast/testbed';
import { column, interleave, type Rounds } from '../rounds.ts';
import { redisCounters, redisVersion } from '../servers.ts';
import { ratios, spread } from '../stats.ts';
import { type SubjectProcess, startSubjects } from '../subject-processes.ts';
import type { SubjectSpec } from '../subjects/subject.ts';
import type { Suite, Target } from '../suite.ts';
import {
  commands,
  exclusionFailures,
  handovers,
  heldShare,
  leastShare,
  longestWait,
  measureTurnsOf,
  type TurnRound,
  turnTable,
  unfairness,
  waiters,
  waitSpread,
} from './turns.ts';

const lockClients = ['ioredis 6', 'node-redis 6'] as const;
const kinds = ['handoff', ...lockClients];
const groups = [1, 2, 4];
const holdMs = 1;

/** One measurement: who, in how many processes, and how long each keeps the key. */
interface Line {
  readonly name: string;
  readonly kind: string;
  readonly processes: number;
  readonly holdMs: number;
}

const atOnce = (kind: string, processes: number): Line => ({
  name: `${kind}, ${processes} process${processes > 1 ? 'es' : ''}`,
  kind,
  processes,
  holdMs: 0,
});
const held = (kind: string, processes: number): Line => {
  const line = atOnce(kind, processes);
  return { ...line, name: `${line.name}, hold ${holdMs} ms`, holdMs };
};

/** Redis: a lock that everybody wants, against a token that is passed on through a list. */
export const handover: Suite = {
  title: `Redis, one lock that all want: hand-overs against a one-round-trip handoff (BLPOP, LPUSH; ${waiters} connections, no TTL)`,
  async run({ rounds, quick }, progress) {
    await using server = await startRedis({ args: ['--appendonly', 'no'] });
    const { port } = server;
    const specOf = (kind: string): SubjectSpec => {
      const client = lockClients.find((name) => name === kind);
      return client === undefined ? { kind: 'handoff', port } : { kind: 'redis', client, port, fencing: true };
    };
    progress('starting');
    const most = Math.max(...groups);
    const nameOf = (kind: string, index: number): string => `${kind} ${index}`;
    await using subjects = await startSubjects(
      Object.fromEntries(
        kinds.flatMap((kind) => Array.from({ length: most }, (_, i) => [nameOf(kind, i), specOf(kind)] as const)),
      ),
    );
    const forMs = quick ? 500 : 1_500;
    let slices = 0;
    const measure = async ({ kind, processes, holdMs }: Line): Promise<TurnRound> => {
      slices += 1;
      const key = `handover-${slices}`;
      if (kind === 'handoff') await server.command('LPUSH', key, 'token');
      const commandsSoFar = async (): Promise<number> => (await redisCounters(server)).commands;
      const them = Array.from({ length: processes }, (_, i): SubjectProcess => subjects.get(nameOf(kind, i))!);
      return measureTurnsOf(them, { key, forMs, holdMs, commandsSoFar });
    };
    const lines = [
      ...kinds.flatMap((kind) => groups.map((processes) => atOnce(kind, processes))),
      ...lockClients.flatMap((kind) => groups.map((processes) => held(kind, processes))),
    ];
    const lineOf = new Map(lines.map((line) => [line.name, line]));
    const names = [...lineOf.keys()];
    const take = (name: string): Promise<TurnRound> => measure(lineOf.get(name)!);
    await interleave(names, 1, (text) => progress(`warming up, ${text}`), take);
    const figures = await interleave(names, rounds ?? (quick ? 3 : 9), progress, take);
    return {
      server: await redisVersion(server),
      tables: [
        turnTable(
          figures,
          groups.flatMap((processes) =>
            kinds.map((kind) => ({ name: atOnce(kind, processes).name, base: atOnce('handoff', processes).name })),
          ),
          'the handoff',
        ),
        turnTable(
          figures,
          groups
            .flatMap((processes) => lockClients.map((kind) => held(kind, processes).name))
            .map((name) => ({ name, base: name })),
          undefined,
          `${waiters} waiters for one key, hold ${holdMs} ms`,
        ),
      ],
      targets: lockClients.flatMap((client) => targetsOf(figures, client)),
      failures: exclusionFailures(figures),
      rounds: Object.fromEntries(figures),
    };
  },
};

function targetsOf(figures: Rounds<TurnRound>, client: string): Target[] {
  const target = (
    { name }: Line,
    what: string,
    pick: (round: TurnRound) => number,
    limit: number,
    better: Target['better'],
    unit = '',
  ): Target => ({ what: `${name}: ${what}`, value: spread(column(figures, name, pick)), limit, better, unit });
  const toHandoff = (processes: number, limit: number): Target => {
    const [{ name }, base] = [atOnce(client, processes), atOnce('handoff', processes)];
    return {
      what: `${name}: hand-overs / handoff`,
      value: spread(ratios(column(figures, name, handovers), column(figures, base.name, handovers))),
      limit,
      better: 'more',
      unit: '',
    };
  };
  return [
    toHandoff(1, 10),
    target(atOnce(client, 1), 'turns of the waiter with most / with fewest', unfairness, 2, 'less'),
    target(atOnce(client, 1), 'server commands for each turn', commands, 1, 'less'),
    toHandoff(2, 2),
    toHandoff(4, 1),
    ...groups.flatMap((processes) => [
      target(atOnce(client, processes), 'longest wait / mean wait', waitSpread, 3, 'less'),
      target(held(client, processes), 'longest wait / mean wait', waitSpread, 3, 'less'),
      target(held(client, processes), 'part of the time in which the key is held', heldShare, 0.97, 'more'),
      ...(processes === 1
        ? []
        : [
            target(atOnce(client, processes), 'longest wait', longestWait, 100, 'less', 'ms'),
            target(atOnce(client, processes), 'server commands for each turn', commands, 4, 'less'),
            target(held(client, processes), 'turns of the last process / an equal share', leastShare, 0.5, 'more'),
          ]),
    ]),
  ];
}
