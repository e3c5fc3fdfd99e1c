import { setTimeout as sleep } from 'node:timers/promises';
import type { Growth, Report, ScalePoint } from '../report/schema.ts';
import { median } from '../stats.ts';
import { fitPower } from './growth.ts';
import { type PartContext, reasonOf } from './part.ts';
import type { RunningBackend } from './running-backend.ts';

const full = [10, 1_000, 10_000, 50_000];
const quicker = [1_000, 5_000];
/** Memory and growth are taken from here on: fewer locks are lost in what the processes need anyway. */
const weighedFrom = 1_000;
/** Taking them may last so long. */
const takingMs = 105_000;

/** The time to live of held locks, and the window: just one renewal of each lies in it, wherever it begins. */
export const scaleTtlMs = (quick: boolean): number => (quick ? 4_500 : 15_000);
const renewalsPerTtl = 3;
const settleMs = (quick: boolean): number => (quick ? 200 : 500);

/** Many locks that one process holds. */
export async function scale(context: PartContext): Promise<Partial<Report>> {
  const { backends, quick, progress } = context;
  const sizes = quick ? quicker : full;
  const rounds = context.rounds ?? 1;
  progress.expect(sizes.length * backends.length * rounds);
  const points: ScalePoint[] = [];
  const broken = new Set<string>();
  for (const locks of sizes) {
    for (const backend of backends) {
      const what = `${locks.toLocaleString('en-US')} held locks`;
      const figures: ScalePoint[] = [];
      for (let round = 0; round < rounds; round += 1) {
        progress.step(`${backend.id}, ${what}`);
        if (broken.has(backend.id)) continue;
        try {
          figures.push(await measure(context, backend, locks));
        } catch (error) {
          broken.add(backend.id);
          context.notMeasured(backend.id, `${what} and more`, reasonOf(error));
          await context.pool.drop(backend.holdfast);
        }
      }
      if (figures.length > 0) points.push(middle(figures));
    }
  }
  for (const { backend, locks, lost } of points.filter((point) => point.lost > 0)) {
    context.fail(`${backend}: ${lost} of ${locks} locks were lost while they were held.`);
  }
  return { scale: points, growth: growthOf(points) };
}

async function measure({ pool, quick }: PartContext, backend: RunningBackend, locks: number): Promise<ScalePoint> {
  const { id, holdfast, meter } = backend;
  const subject = await pool.get(holdfast);
  const ttlMs = scaleTtlMs(quick);
  const bytesBefore = await meter?.bytes();
  const { acquireMs, bytes, connections } = await subject.ask('scale', { locks, ttlMs, limitMs: takingMs });
  const bytesAfter = await meter?.bytes();
  await sleep(settleMs(quick));
  const forMs = ttlMs / renewalsPerTtl;
  // The requests innermost: to ask for the CPU is a request, too.
  const cpuBefore = await meter?.cpuSeconds();
  const requestsBefore = await meter?.requests();
  const begin = performance.now();
  const { cpuSeconds, lagP99Ms } = await subject.ask('keeping', forMs);
  const requests = await meter?.requests();
  const seconds = (performance.now() - begin) / 1_000;
  const cpu = await meter?.cpuSeconds();
  const lost = await subject.ask('letGo', undefined as never);
  const grown = (after: number | undefined, before: number | undefined): number | null =>
    after === undefined || before === undefined ? null : after - before;
  const rate = (after: number | undefined, before: number | undefined): number | null => {
    const difference = grown(after, before);
    return difference === null ? null : difference / seconds;
  };
  const perLock = (all: number | null): number | null => (all === null || locks < weighedFrom ? null : all / locks);
  return {
    ...{ backend: id, locks, ttlMs, acquireMs, lost },
    clientCpu: cpuSeconds / (forMs / 1_000),
    serverCpu: rate(cpu, cpuBefore),
    requestsPerSecond: rate(requests, requestsBefore),
    clientBytesPerLock: perLock(bytes),
    serverBytesPerLock: perLock(grown(bytesAfter, bytesBefore)),
    eventLoopLagP99Ms: lagP99Ms,
    connections: meter === undefined ? null : connections,
  };
}

/** Each figure's median; what was lost is added up. */
function middle(figures: readonly ScalePoint[]): ScalePoint {
  const of = (pick: (point: ScalePoint) => number): number => median(figures.map(pick));
  const ofSome = (pick: (point: ScalePoint) => number | null): number | null => {
    const known = figures.map(pick).filter((value) => value !== null);
    return known.length === 0 ? null : median(known);
  };
  return {
    ...figures[0]!,
    acquireMs: of(({ acquireMs }) => acquireMs),
    clientCpu: of(({ clientCpu }) => clientCpu),
    serverCpu: ofSome(({ serverCpu }) => serverCpu),
    requestsPerSecond: ofSome(({ requestsPerSecond }) => requestsPerSecond),
    clientBytesPerLock: ofSome(({ clientBytesPerLock }) => clientBytesPerLock),
    serverBytesPerLock: ofSome(({ serverBytesPerLock }) => serverBytesPerLock),
    eventLoopLagP99Ms: of(({ eventLoopLagP99Ms }) => eventLoopLagP99Ms),
    lost: figures.reduce((sum, { lost }) => sum + lost, 0),
  };
}

function growthOf(points: readonly ScalePoint[]): Growth[] {
  return [...new Set(points.map(({ backend }) => backend))].flatMap((backend) =>
    (['clientCpu', 'serverCpu', 'requestsPerSecond', 'acquireMs'] as const).flatMap((cost): Growth[] => {
      const ofBackend = points.filter((point) => point.backend === backend && point.locks >= weighedFrom);
      const fitted = fitPower(ofBackend.map((point) => ({ n: point.locks, cost: point[cost] ?? 0 })));
      return fitted === undefined ? [] : [{ backend, over: 'locks', cost, ...fitted }];
    }),
  );
}
