import type { CycleFigures } from '../measures/cycles.ts';
import type { BackendId, Report, Uncontended } from '../report/schema.ts';
import { column, interleave, type Rounds } from '../rounds.ts';
import { ratios, spread } from '../stats.ts';
import type { SubjectProcess } from '../subject-processes.ts';
import type { SubjectSpec } from '../subjects/subject.ts';
import { distribution, times } from './distribution.ts';
import type { PartContext } from './part.ts';

const widths = [1, 64] as const;

interface Line {
  readonly name: string;
  readonly backend: BackendId;
  readonly who: Uncontended['who'];
  readonly what: string;
  readonly spec: SubjectSpec;
  readonly inFlight: number;
}

/** Free locks, one at a time and 64 in flight, Holdfast and the raw calls in turns. */
export async function uncontended(context: PartContext): Promise<Partial<Report>> {
  const { backends, pool, quick, progress } = context;
  const subjects = backends.flatMap(({ id, holdfast, raw }) => [
    ...(raw === undefined ? [] : [{ backend: id, who: 'raw' as const, what: raw.what, spec: raw.spec }]),
    { backend: id, who: 'holdfast' as const, what: '', spec: holdfast },
  ]);
  const lines: Line[] = subjects.flatMap((one) =>
    widths.map((inFlight) => ({ ...one, inFlight, name: nameOf(one.backend, one.who, inFlight) })),
  );
  const rounds = context.rounds ?? (quick ? 3 : 7);
  progress.expect(subjects.length + lines.length * rounds);
  progress.note('starting');
  await Promise.all(subjects.map(({ spec }) => pool.get(spec)));
  for (const { spec, backend, who } of subjects) {
    progress.step(`warming up ${backend} ${who}`);
    await warmUp(await pool.get(spec), quick ? 2_000 : 10_000, quick ? 1 : 16);
  }
  const byName = new Map(lines.map((line) => [line.name, line]));
  const figures = await interleave([...byName.keys()], rounds, progress.step, async (name) => {
    const { spec, inFlight } = byName.get(name)!;
    const subject = await pool.get(spec);
    return subject.ask('cycles', { inFlight, forMs: quick ? 150 : 400, latencies: true });
  });
  return { uncontended: lines.map((line) => resultOf(line, figures)) };
}

const nameOf = (backend: BackendId, who: Uncontended['who'], inFlight: number): string =>
  `${backend}, ${who}, ${inFlight} in flight`;

/** Until then compilers are still at work, those of some servers too. */
export async function warmUp(subject: SubjectProcess, atLeast: number, mostSlices: number): Promise<void> {
  let done = 0;
  for (let slice = 0; slice < mostSlices && done < atLeast; slice += 1) {
    done += (await subject.ask('cycles', { inFlight: 64, forMs: 250 })).ops;
  }
  await subject.ask('cycles', { inFlight: 1, forMs: 100 });
}

function resultOf({ name, backend, who, what, inFlight }: Line, figures: Rounds<CycleFigures>): Uncontended {
  const raw = nameOf(backend, 'raw', inFlight);
  const ops = column(figures, name, opsPerSecond);
  return {
    ...{ backend, who, what, inFlight },
    opsPerSecond: spread(ops),
    latencyUs: latencyUs(figures.get(name)!),
    clientCpuUs: spread(column(figures, name, ({ cpuUs }) => cpuUs)),
    ratioToRaw: who === 'holdfast' && figures.has(raw) ? spread(ratios(ops, column(figures, raw, opsPerSecond))) : null,
  };
}

const opsPerSecond = (figures: CycleFigures): number => figures.opsPerSecond;

/** The latencies of all rounds together. */
export function latencyUs(rounds: readonly CycleFigures[]): Uncontended['latencyUs'] {
  return distribution(rounds.map(({ latenciesMs }) => times(latenciesMs!, 1_000)));
}
