import { figure } from '../format.ts';
import type { Drained, DrainFigures } from '../measures/drain.ts';
import type { Growth, Report, WaitersPoint } from '../report/schema.ts';
import { median } from '../stats.ts';
import { distribution } from './distribution.ts';
import { fitPower } from './growth.ts';
import { type PartContext, reasonOf } from './part.ts';
import type { RunningBackend } from './running-backend.ts';

const full = [1, 10, 100, 1_000, 10_000];
const quicker = [1, 10, 100, 1_000];
const limitMs = 60_000;
/** The growth is taken from here on: with fewer there is nothing to hand over. */
const fittedFrom = 10;
/** A point that took longer is not repeated. */
const repeatedMs = 5_000;

interface Round extends DrainFigures {
  readonly requests: number;
  readonly serverCpuUs: number;
}

/** Many waiters of one process for one key. */
export async function waiters(context: PartContext): Promise<Partial<Report>> {
  const { backends, pool, quick, progress } = context;
  const sizes = quick ? quicker : full;
  const rounds = context.rounds ?? (quick ? 1 : 3);
  progress.expect(sizes.length * backends.length);
  const points: WaitersPoint[] = [];
  const tooSlow = new Set<string>();
  for (const size of sizes) {
    for (const backend of backends) {
      const what = `${size.toLocaleString('en-US')} waiters for one key`;
      progress.step(`${backend.id}, ${what}`);
      if (tooSlow.has(backend.id)) {
        context.notMeasured(backend.id, what, 'Fewer were not through in time already.');
        continue;
      }
      try {
        const { figures, served } = await measure(backend);
        if (figures.length > 0) points.push(pointOf(backend, size, figures));
        else await giveUp(backend, what, progressOf(backend, size, served));
      } catch (error) {
        await giveUp(backend, what, reasonOf(error));
      }

      async function measure({ holdfast, meter }: RunningBackend): Promise<{ figures: Round[]; served: number }> {
        const figures: Round[] = [];
        let served = 0;
        for (let round = 0; round < rounds; round += 1) {
          const subject = await pool.get(holdfast);
          // The requests innermost: to ask for the CPU is a request, too.
          const cpuBefore = await meter?.cpuSeconds();
          const requestsBefore = await meter?.requests();
          const key = `waiters-${size}-${round}`;
          const drained: Drained = await subject.ask('drain', { key, waiters: size, limitMs });
          served = drained.served;
          if (drained.figures === undefined) {
            // Its waiters still wait.
            await pool.drop(holdfast);
            break;
          }
          const requests = ((await meter?.requests()) ?? Number.NaN) - (requestsBefore ?? 0);
          const serverCpuUs = (((await meter?.cpuSeconds()) ?? Number.NaN) - (cpuBefore ?? 0)) * 1e6;
          figures.push({ ...drained.figures, requests, serverCpuUs });
          if (drained.figures.totalMs > repeatedMs) break;
        }
        return { figures, served };
      }
    }
  }
  return { waiters: points, growth: growthOf(points) };

  /** How far they came, and how that compares to fewer of them: what stops it is seen in that. */
  function progressOf({ id }: RunningBackend, size: number, served: number): string {
    // Of a few the time is that of all others' requests.
    const each = served * 10 > size ? `, ${figure(limitMs / served)} ms each` : '';
    const fewer = points.filter(({ backend, waiters }) => backend === id && waiters < size).at(-1);
    const before =
      fewer &&
      `; with ${fewer.waiters.toLocaleString('en-US')} it was ${figure(fewer.totalMs / fewer.waiters)} ms each`;
    return `Only ${served.toLocaleString('en-US')} of ${size.toLocaleString('en-US')} had their turn within ${limitMs / 1_000} s${each}${before ?? ''}.`;
  }

  async function giveUp({ id, holdfast }: RunningBackend, what: string, why: string): Promise<void> {
    tooSlow.add(id);
    context.notMeasured(id, what, why);
    await pool.drop(holdfast);
  }
}

function pointOf({ id, meter }: RunningBackend, size: number, rounds: readonly Round[]): WaitersPoint {
  const of = (pick: (round: Round) => number): number => median(rounds.map(pick));
  return {
    backend: id,
    waiters: size,
    totalMs: of(({ totalMs }) => totalMs),
    waitMs: distribution(rounds.map(({ waitsMs }) => waitsMs)),
    clientCpuUsPerWaiter: of(({ cpuUs }) => cpuUs) / size,
    serverCpuUsPerWaiter: meter === undefined ? null : of(({ serverCpuUs }) => serverCpuUs) / size,
    requestsPerWaiter: meter === undefined ? null : of(({ requests }) => requests) / size,
  };
}

function growthOf(points: readonly WaitersPoint[]): Growth[] {
  const costs = {
    totalMs: ({ totalMs }: WaitersPoint) => totalMs,
    clientCpuUs: (point: WaitersPoint) => point.clientCpuUsPerWaiter * point.waiters,
    requests: (point: WaitersPoint) => (point.requestsPerWaiter ?? 0) * point.waiters,
  } as const;
  return [...new Set(points.map(({ backend }) => backend))].flatMap((backend) =>
    (['totalMs', 'clientCpuUs', 'requests'] as const).flatMap((cost): Growth[] => {
      const ofBackend = points.filter((point) => point.backend === backend && point.waiters >= fittedFrom);
      const fitted = fitPower(ofBackend.map((point) => ({ n: point.waiters, cost: costs[cost](point) })));
      return fitted === undefined ? [] : [{ backend, over: 'waiters', cost, ...fitted }];
    }),
  );
}
