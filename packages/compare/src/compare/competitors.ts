import { startRedis } from '@holdfast/testbed';
import type { CycleFigures } from '../measures/cycles.ts';
import type { Report, Rival, RivalContention, RivalCycles } from '../report/schema.ts';
import { column, interleave, type Rounds } from '../rounds.ts';
import { ratios, spread } from '../stats.ts';
import type { SubjectProcess } from '../subject-processes.ts';
import { type RivalLine, rivalLines } from './competitor-lines.ts';
import { type ContentionRound, contentionFigures } from './contention-figures.ts';
import { type Cell, measureContention } from './measure-contention.ts';
import { newerNode } from './newer-node.ts';
import { type PartContext, reasonOf } from './part.ts';
import { redisMeter } from './start-backends.ts';
import { latencyUs, warmUp } from './uncontended.ts';

/** Those whose versions stand in the report. */
export const rivalPackages: readonly string[] = ['redis-semaphore', '@verrou/core', 'redlock-universal'];
const widths = [1, 64] as const;
const full: readonly Cell[] = [
  { waiters: 32, processes: 1, holdMs: 0 },
  { waiters: 32, processes: 1, holdMs: 1 },
  { waiters: 32, processes: 4, holdMs: 1 },
];
const quicker = full.slice(1, 2);

interface RivalRound extends ContentionRound {
  readonly errors: number;
}

/** Other libraries on the same Redis, with their own delays and with short ones. */
export async function rivals(
  context: PartContext & { readonly versions: Record<string, string> },
): Promise<Partial<Report>> {
  const { pool, quick, progress } = context;
  progress.note('starting');
  await using server = await startRedis({ args: ['--appendonly', 'no'] });
  const newer = await newerNode().catch((error: unknown) => {
    context.notMeasured(null, 'redlock-universal', `It needs Node 22, and npm could not fetch one: ${reasonOf(error)}`);
    return undefined;
  });
  const lines = rivalLines(server.port, context.versions, newer);
  const cells = quick ? quicker : full;
  const waiting = lines.filter(({ isRaw }) => !isRaw);
  const rounds = context.rounds ?? (quick ? 2 : 5);
  const turnRounds = context.rounds ?? (quick ? 1 : 3);
  progress.expect(lines.length + lines.length * widths.length * rounds + waiting.length * cells.length * turnRounds);
  const processOf = ({ spec, execPath }: RivalLine, index = 0): Promise<SubjectProcess> =>
    pool.get(spec, index, execPath);

  await Promise.all(lines.map((line) => processOf(line)));
  for (const line of lines) {
    progress.step(`warming up ${line.name}`);
    await warmUp(await processOf(line), quick ? 2_000 : 10_000, quick ? 1 : 12);
  }
  const byKey = new Map(lines.map((line) => [line.key, line]));
  const cycles = new Map<number, Rounds<CycleFigures>>();
  for (const inFlight of widths) {
    const measured = await interleave([...byKey.keys()], rounds, progress.step, async (key) =>
      (await processOf(byKey.get(key)!)).ask('cycles', { inFlight, forMs: quick ? 150 : 400, latencies: true }),
    );
    cycles.set(inFlight, measured);
  }

  const { requests } = redisMeter([server]);
  const turns: { cell: Cell; figures: Rounds<RivalRound | undefined> }[] = [];
  for (const cell of cells) {
    const keys = waiting.map(({ key }) => key);
    const figures = await interleave(keys, turnRounds, progress.step, async (key, round) => {
      const line = byKey.get(key)!;
      try {
        const processes = await Promise.all(Array.from({ length: cell.processes }, (_, i) => processOf(line, i)));
        // One who asks every 250 ms needs that long to be seen.
        const forMs = quick ? 600 : 1_200;
        const name = `rivals-${cell.processes}-${cell.holdMs}-${round}`;
        const measured = await measureContention(processes, cell, name, forMs, requests);
        const errors = await Promise.all(processes.map((one) => one.ask('errors', undefined as never)));
        return { ...measured, errors: errors.reduce((sum, count) => sum + count, 0) };
      } catch (error) {
        context.notMeasured(null, `${line.name}, ${line.delays}: ${cell.waiters} waiters`, reasonOf(error));
        return undefined;
      }
    });
    turns.push({ cell, figures });
  }

  return {
    rivals: lines.map((line): Rival => {
      const { key, name, isHoldfast, isRaw, delays, client, servers } = line;
      return {
        ...{ name, isHoldfast, isRaw, delays, client, servers },
        sequential: cyclesOf(line, cycles.get(1)!),
        inFlight: cyclesOf(line, cycles.get(64)!),
        contention: turns.flatMap(({ cell, figures }) => contentionOf(line, cell, figures.get(key) ?? [])),
      };
    }),
  };
}

function cyclesOf({ key, base, isRaw }: RivalLine, figures: Rounds<CycleFigures>): RivalCycles {
  const ops = ({ opsPerSecond }: CycleFigures): number => opsPerSecond;
  const own = column(figures, key, ops);
  return {
    opsPerSecond: spread(own),
    latencyUs: latencyUs(figures.get(key)!),
    ratioToRaw: isRaw ? null : spread(ratios(own, column(figures, base, ops))),
  };
}

function contentionOf(
  { severalHold }: RivalLine,
  cell: Cell,
  rounds: readonly (RivalRound | undefined)[],
): RivalContention[] {
  const measured = rounds.filter((round) => round !== undefined);
  if (measured.length === 0) return [];
  const figures = contentionFigures(measured);
  const { handOversPerSecond, handOverMs, jain, longestWaitMs, requestsPerHandOver } = figures;
  const violations = severalHold ? 0 : figures.violations;
  const errors = measured.reduce((sum, round) => sum + round.errors, 0);
  return [{ ...cell, handOversPerSecond, handOverMs, jain, longestWaitMs, requestsPerHandOver, violations, errors }];
}
