import type { Contention, Report } from '../report/schema.ts';
import { interleave } from '../rounds.ts';
import type { SubjectProcess } from '../subject-processes.ts';
import { type ContentionRound, contentionFigures } from './contention-figures.ts';
import { type Cell, measureContention, windowMs } from './measure-contention.ts';
import { type PartContext, reasonOf } from './part.ts';
import type { RunningBackend } from './running-backend.ts';

const full = { waiters: [2, 8, 32, 128], processes: [1, 2, 4], holds: [0, 1, 10] };
const quicker = { waiters: [32], processes: [1, 4], holds: [0, 1] };

interface Line extends Cell {
  readonly name: string;
  readonly backend: RunningBackend;
}

/** One key that all want: so many waiters, in so many processes, each for so long. */
export async function contention(context: PartContext): Promise<Partial<Report>> {
  const { backends, pool, quick, progress } = context;
  const grid = quick ? quicker : full;
  const lines = linesOf(backends, grid);
  const most = Math.max(...grid.processes);
  const rounds = context.rounds ?? (quick ? 1 : 3);
  progress.expect(backends.length + lines.length * rounds);

  const processesOf = (backend: RunningBackend, count: number): Promise<SubjectProcess[]> =>
    Promise.all(Array.from({ length: count }, (_, i) => pool.get(backend.holdfast, i)));
  /** How long a hand-over takes, by backend and number of processes. */
  const handOverMs = new Map<string, number>();
  const broken = new Set<string>();
  let keys = 0;

  const measure = async ({ backend, ...cell }: Line, atLeastMs: number): Promise<ContentionRound> => {
    keys += 1;
    const known = `${backend.id} ${cell.processes}`;
    const forMs = windowMs(cell, handOverMs.get(known) ?? 0, atLeastMs);
    const subjects = await processesOf(backend, cell.processes);
    const round = await measureContention(subjects, cell, `contention-${keys}`, forMs, backend.meter?.requests);
    const perSecond = contentionFigures([round]).handOversPerSecond.median;
    if (cell.holdMs === 0 && perSecond > 0) handOverMs.set(known, 1_000 / perSecond);
    return round;
  };
  progress.note('starting');
  await Promise.all(backends.map((backend) => processesOf(backend, Math.min(most, backend.maxProcesses))));
  for (const backend of backends) {
    progress.step(`warming up ${backend.id}`);
    for (const processes of new Set(lines.filter((line) => line.backend === backend).map((line) => line.processes))) {
      const line = { name: '', backend, waiters: 32, processes, holdMs: 0 };
      await measure(line, 300).catch(() => {});
    }
  }

  const byName = new Map(lines.map((line) => [line.name, line]));
  const figures = await interleave([...byName.keys()], rounds, progress.step, async (name) => {
    const line = byName.get(name)!;
    if (broken.has(name)) return undefined;
    try {
      return await measure(line, quick ? 250 : 300);
    } catch (error) {
      broken.add(name);
      context.notMeasured(line.backend.id, describe(line), reasonOf(error));
      return undefined;
    }
  });

  const results = lines.flatMap((line): Contention[] => {
    const measured = figures.get(line.name)!.filter((round) => round !== undefined);
    if (measured.length === 0) return [];
    const { waiters, processes, holdMs } = line;
    return [{ backend: line.backend.id, waiters, processes, holdMs, ...contentionFigures(measured) }];
  });
  for (const result of results.filter(({ violations }) => violations > 0)) {
    context.fail(`${result.backend}, ${describe(result)}: ${result.violations} times two held the key at once.`);
  }
  return { contention: results };
}

function describe({ waiters, processes, holdMs }: Cell): string {
  return `${waiters} waiters in ${processes} process${processes > 1 ? 'es' : ''}, hold ${holdMs} ms`;
}

/** The backends take turns at each measurement. */
function linesOf(backends: readonly RunningBackend[], { waiters, processes, holds }: typeof full): Line[] {
  return holds.flatMap((holdMs) =>
    processes.flatMap((count) =>
      waiters
        .filter((all) => all >= count)
        .flatMap((all) =>
          backends
            .filter(({ maxProcesses }) => count <= maxProcesses)
            .map((backend) => {
              const cell = { waiters: all, processes: count, holdMs };
              return { ...cell, backend, name: `${backend.id}, ${describe(cell)}` };
            }),
        ),
    ),
  );
}
