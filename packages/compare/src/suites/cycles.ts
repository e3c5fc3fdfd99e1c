import { figure, spreadText } from '../format.ts';
import type { CycleFigures } from '../measures/cycles.ts';
import type { Progress } from '../progress.ts';
import { column, interleave, type Rounds } from '../rounds.ts';
import { median, ratios, spread } from '../stats.ts';
import type { SubjectProcess } from '../subject-processes.ts';
import type { Effort, Table, Target } from '../suite.ts';

/** How many locks are asked for at once where it says "64 in flight". */
export const width = 64;

// A slow backend is warm after that time too.
const mostWarmUpSlices = 24;

/** A free lock again and again, one at a time and 64 at a time. */
export interface CycleRound {
  readonly sequential: CycleFigures;
  readonly inFlight: CycleFigures;
  /** CPU of the server for each operation with 64 in flight, where it is known. */
  readonly serverCpuUs: number;
}

interface Plan {
  readonly rounds: number;
  /** How long each measurement of a round takes. */
  readonly sliceMs: number;
  /** How many locks each subject takes beforehand, uncounted: until then the compiler is still at work. */
  readonly warmUpOps: number;
  /** One key for all, instead of a thousand in turn. */
  readonly oneKey?: boolean;
  /** How much CPU the server has used so far. */
  readonly serverCpuSeconds?: (() => Promise<number>) | undefined;
}

/** Warms everything up, then measures in turns. */
export async function cycleRounds(
  subjects: ReadonlyMap<string, SubjectProcess>,
  effort: Effort,
  progress: Progress,
  plan: Plan,
): Promise<Rounds<CycleRound>> {
  const names = [...subjects.keys()];
  const shorter = effort.quick ? 0.5 : 1;
  const { oneKey = false } = plan;
  for (const name of names) {
    progress(`warming up ${name}`);
    await warmUp(subjects.get(name)!, plan.warmUpOps * shorter, oneKey);
  }
  const { serverCpuSeconds = async () => Number.NaN } = plan;
  const forMs = plan.sliceMs * shorter;
  const count = effort.rounds ?? Math.ceil(plan.rounds * (effort.quick ? 1 / 3 : 1));
  return interleave(names, count, progress, async (name) => {
    const subject = subjects.get(name)!;
    const sequential = await subject.ask('cycles', { inFlight: 1, forMs, oneKey });
    const cpuBefore = await serverCpuSeconds();
    const inFlight = await subject.ask('cycles', { inFlight: width, forMs, oneKey });
    const serverCpuUs = (((await serverCpuSeconds()) - cpuBefore) * 1e6) / inFlight.ops;
    return { sequential, inFlight, serverCpuUs };
  });
}

async function warmUp(subject: SubjectProcess, atLeast: number, oneKey: boolean): Promise<void> {
  let done = 0;
  for (let slice = 0; done < atLeast && slice < mostWarmUpSlices; slice += 1) {
    const { ops } = await subject.ask('cycles', { inFlight: width, forMs: 250, oneKey });
    done += ops;
  }
  await subject.ask('cycles', { inFlight: 1, forMs: 250, oneKey });
}

/** A line for each subject, with its ratios to the one that it is measured against. */
export function cycleTable(
  rounds: Rounds<CycleRound>,
  lines: readonly { readonly name: string; readonly base: string }[],
  baseTitle: string = 'the raw calls',
): Table {
  const serverIsCounted = lines.some(({ name }) =>
    column(rounds, name, serverCpu).some((cpuUs) => !Number.isNaN(cpuUs)),
  );
  return {
    title: `One at a time, and ${width} in flight. Ratios are to ${baseTitle} within each round: median (half of the rounds).`,
    head: [
      ...['', 'ops/s', 'ratio', 'p50 µs', 'p99 µs', 'p50 ratio', `${width}: ops/s`, 'ratio', 'CPU µs/op', 'ratio'],
      ...(serverIsCounted ? ['server µs/op'] : []),
    ],
    rows: lines.map(({ name, base }) => {
      const of = (pick: (round: CycleRound) => number): string => figure(median(column(rounds, name, pick)));
      const ratio = (pick: (round: CycleRound) => number): string =>
        name === base ? '1' : spreadText(spread(ratios(column(rounds, name, pick), column(rounds, base, pick))));
      return [
        name,
        of(sequentialOps),
        ratio(sequentialOps),
        of(sequentialP50),
        of((round) => round.sequential.p99Us),
        ratio(sequentialP50),
        of(inFlightOps),
        ratio(inFlightOps),
        of(inFlightCpu),
        ratio(inFlightCpu),
        ...(serverIsCounted ? [of(serverCpu)] : []),
      ];
    }),
  };
}

/** The ratios to the raw calls that have a limit. */
export function cycleTargets(
  rounds: Rounds<CycleRound>,
  name: string,
  base: string,
  limits: { readonly sequential?: number; readonly inFlight?: number; readonly p50?: number; readonly cpu?: number },
  baseTitle: string = 'raw',
): Target[] {
  const target = (
    what: string,
    pick: (round: CycleRound) => number,
    limit: number | undefined,
    better: Target['better'],
  ): Target[] =>
    limit === undefined
      ? []
      : [
          {
            what: `${name}: ${what} / ${baseTitle}`,
            value: spread(ratios(column(rounds, name, pick), column(rounds, base, pick))),
            limit,
            better,
            unit: '',
          },
        ];
  return [
    ...target('ops/s one at a time', sequentialOps, limits.sequential, 'more'),
    ...target('p50 one at a time', sequentialP50, limits.p50, 'less'),
    ...target(`ops/s with ${width} in flight`, inFlightOps, limits.inFlight, 'more'),
    ...target(`node CPU with ${width} in flight`, inFlightCpu, limits.cpu, 'less'),
  ];
}

const sequentialOps = ({ sequential }: CycleRound): number => sequential.opsPerSecond;
const sequentialP50 = ({ sequential }: CycleRound): number => sequential.p50Us;
const inFlightOps = ({ inFlight }: CycleRound): number => inFlight.opsPerSecond;
const inFlightCpu = ({ inFlight }: CycleRound): number => inFlight.cpuUs;
const serverCpu = ({ serverCpuUs }: CycleRound): number => serverCpuUs;
