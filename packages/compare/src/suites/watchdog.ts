import { startRedis } from '@holdfast/testbed';
import { fitPower } from '../compare/growth.ts';
import { figure, spreadText } from '../format.ts';
import { column, interleave, type Rounds } from '../rounds.ts';
import { redisCounters, redisVersion } from '../servers.ts';
import { median, ratios, spread } from '../stats.ts';
import { startSubjects } from '../subject-processes.ts';
import type { SubjectSpec } from '../subjects/subject.ts';
import type { Suite, Target } from '../suite.ts';
import { type HoldRound, lossFailures, measureHoldingOf } from './holding.ts';

const clients = ['ioredis 6', 'node-redis 6'] as const;
const task = { locks: 10_000, ttlMs: 3_000 };
/** How the cost grows: each lock is renewed once in the time that is measured. */
const sizes = [1_000, 10_000, 50_000];
const growthTtlMs = 9_000;
const cpu = ({ cpuSeconds }: HoldRound): number => cpuSeconds;

/** Redis: many locks that are held for long. */
export const watchdog: Suite = {
  title: `Redis, ${figure(task.locks)} held locks with a TTL of ${task.ttlMs / 1_000} s: CPU of renewal against one timer and one EVALSHA for each`,
  async run({ rounds, quick, before }, progress) {
    await using server = await startRedis({ args: ['--appendonly', 'no'] });
    const { port } = server;
    const lines = clients.flatMap((client) => [
      { name: `${client} raw`, base: `${client} raw`, client, spec: { kind: 'redis raw', client, port } as const },
      { name: client, base: `${client} raw`, client, spec: { kind: 'redis', client, port, fencing: true } as const },
      ...(before === undefined
        ? []
        : [
            {
              name: `${client} before`,
              base: `${client} raw`,
              client,
              spec: { kind: 'redis', client, port, fencing: true, before } as const,
            },
          ]),
    ]);
    progress('starting');
    await using subjects = await startSubjects(
      Object.fromEntries(lines.map(({ name, spec }): [string, SubjectSpec] => [name, spec])),
    );
    const counters = async (): Promise<number[]> => {
      const { commands, cpuSeconds } = await redisCounters(server);
      return [commands, cpuSeconds];
    };
    const names = lines.map(({ name }) => name);
    const figures = await interleave(names, effortOf(rounds, quick), progress, (name) =>
      measureHoldingOf(subjects.get(name)!, task, quick ? 5_000 : 10_000, counters),
    );
    const growing = sizes.flatMap((locks) =>
      clients.map((client) => ({ client, locks, name: sizeName(client, locks) })),
    );
    const grown = await interleave(
      growing.map(({ name }) => name),
      effortOf(rounds, quick),
      progress,
      (name) => {
        const { client, locks } = growing.find((one) => one.name === name)!;
        return measureHoldingOf(subjects.get(client)!, { locks, ttlMs: growthTtlMs }, growthTtlMs / 3, counters);
      },
    );
    const ratio = (name: string, base: string): number[] =>
      ratios(column(figures, name, cpu), column(figures, base, cpu));
    return {
      server: await redisVersion(server),
      tables: [
        {
          title: 'In 10 s. Ratios are to the raw calls of the same client: median (half of the rounds).',
          head: ['', 'node CPU s', 'ratio', 'server CPU s', 'server commands/s', 'lost'],
          rows: lines.map(({ name, base }) => [
            name,
            figure(median(column(figures, name, cpu))),
            name === base ? '1' : spreadText(spread(ratio(name, base))),
            figure(median(column(figures, name, ({ perSecond }) => perSecond[1]! * 10))),
            figure(median(column(figures, name, ({ perSecond }) => perSecond[0]!))),
            String(column(figures, name, ({ lost }) => lost).reduce((sum, lost) => sum + lost, 0)),
          ]),
        },
      ],
      targets: clients.flatMap((client): Target[] => [
        ...(before === undefined
          ? []
          : [
              {
                what: `${client}: node CPU / before`,
                value: spread(ratio(client, `${client} before`)),
                limit: 1.03,
                better: 'less' as const,
                unit: '',
              },
            ]),
        {
          what: `${client}: node CPU / raw`,
          value: spread(ratio(client, `${client} raw`)),
          limit: 0.35,
          better: 'less',
          unit: '',
        },
        {
          what: `${client}: exponent of node CPU from ${figure(sizes[0]!)} to ${figure(sizes.at(-1)!)} locks`,
          value: spread(exponents(grown, client)),
          limit: 1,
          better: 'less',
          unit: '',
        },
      ]),
      failures: [
        ...lossFailures(figures, clients),
        ...lossFailures(
          grown,
          growing.map(({ name }) => name),
        ),
      ],
      rounds: { ...Object.fromEntries(figures), ...Object.fromEntries(grown) },
    };
  },
};

const effortOf = (rounds: number | undefined, quick: boolean): number => rounds ?? (quick ? 1 : 3);
const sizeName = (client: string, locks: number): string => `${client}, ${figure(locks)} locks`;

/** Round by round: 1 is in proportion to the number of locks. */
function exponents(grown: Rounds<HoldRound>, client: string): number[] {
  const columns = sizes.map((locks) => column(grown, sizeName(client, locks), cpu));
  return columns[0]!.map((_, round) => {
    const fitted = fitPower(sizes.map((n, i) => ({ n, cost: columns[i]![round]! })));
    return fitted?.exponent ?? Number.NaN;
  });
}
