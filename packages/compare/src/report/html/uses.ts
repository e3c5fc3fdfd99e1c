import { figure } from '../../format.ts';
import { median, spread } from '../../stats.ts';
import { type Contention, type Fault, type Report, type ScalePoint, survivesFailover } from '../schema.ts';
import { titleOf } from './backends.ts';
import type { Candidate } from './ranking.ts';

/** What somebody wants a lock for, and the figure that decides. */
export interface Use {
  readonly use: string;
  readonly rule: string;
  readonly better: 'more' | 'less';
  /** Of no meaning to who needs a lock between processes. */
  readonly inOneProcess?: boolean;
  readonly unit: (value: number, report: Report) => string;
  readonly candidates: (report: Report) => Candidate[];
}

/** How often a hold is renewed, in TTLs. */
const renewal = 1 / 3;

const perSecond = (what: string) => (value: number) => `${figure(value)} ${what}/s`;
const whole = (value: number) => value.toLocaleString('en-US');
const milliseconds = (value: number) => `${figure(value)} ms`;

export const uses: readonly Use[] = [
  {
    use: 'Many short locks, each on its own key',
    rule: 'Locks acquired and released per second, 64 in flight, one client process. Locks in memory are left out, because they exclude only within one process.',
    better: 'more',
    unit: perSecond('locks'),
    candidates: (report) =>
      free(report, 64, ({ opsPerSecond: { median, low, high } }) => ({ value: median, low, high })),
  },
  {
    use: 'One lock at a time, with as little delay as possible',
    rule: 'Median time to acquire and release a free lock, one at a time. Locks in memory are left out.',
    better: 'less',
    unit: (value) => `${figure(value)} µs`,
    candidates: (report) => free(report, 1, ({ latencyUs }) => exactly(latencyUs.p50)),
  },
  {
    use: 'One key that many processes contend for',
    rule: 'Hand-overs to another waiter per second, with the most processes, 32 waiters if measured, and the shortest hold.',
    better: 'more',
    unit: perSecond('hand-overs'),
    candidates: (report) =>
      crowded(report, ({ handOversPerSecond: { median, low, high } }) => ({ value: median, low, high })),
  },
  {
    use: 'Every waiter gets its turn',
    rule: 'Longest wait for a contended key, as a multiple of the time in which each waiter could have had one turn.',
    better: 'less',
    unit: (value) => `${figure(value)} times`,
    candidates: (report) =>
      crowded(report, ({ longestWaitMs, waiters, handOversPerSecond: { median } }) =>
        exactly((longestWaitMs * median) / (waiters * 1_000)),
      ),
  },
  {
    use: 'A lock that must hold when a server dies',
    rule: 'It must be guaranteed, without two holders or a stale write in any fault of the run (except servers that come back empty). Then the shortest time until a lock can be acquired again decides.',
    better: 'less',
    unit: milliseconds,
    candidates: survivors,
  },
  {
    use: 'A crashed holder must be replaced soon',
    rule: 'Time from the death of the holder to the next grant, as a multiple of the TTL. It varies by a third of a TTL with the moment between two renewals, so smaller differences are ignored.',
    better: 'less',
    unit: (value) => `${figure(value)} TTLs`,
    candidates: (report) =>
      report.faults
        .filter(
          ({ id, backend, nextHolderMs }) =>
            id === 'holder-killed' && needsServer(report, backend) && nextHolderMs.length > 0,
        )
        .map((fault) => {
          const value = median(fault.nextHolderMs) / fault.ttlMs;
          return {
            backend: fault.backend,
            name: nameOf(report, fault),
            value,
            low: value - renewal / 2,
            high: value + renewal / 2,
          };
        }),
  },
  {
    use: 'Very many locks held at the same time',
    rule: 'CPU of client and servers that it takes to keep the highest number of locks that every backend was measured with. No lock may be lost.',
    better: 'less',
    unit: (value, report) => `${figure(value)} cores for ${whole(largestCommon(report)[0]!.locks)} locks`,
    candidates: crowdsOfLocks,
  },
  {
    use: 'All holders are in one process',
    inOneProcess: true,
    rule: 'Locks acquired and released per second, one at a time; includes the backend that needs no server.',
    better: 'more',
    unit: perSecond('locks'),
    candidates: inProcess,
  },
];

type Judged = Pick<Candidate, 'value' | 'low' | 'high'>;

const exactly = (value: number): Judged => ({ value, low: value, high: value });

/** Memory locks exclude within one process only, and are no choice where several must be kept apart. */
export function needsServer(report: Report, id: Candidate['backend']): boolean {
  return report.backends.some((backend) => backend.id === id && backend.servers > 0);
}

function free(report: Report, inFlight: number, judged: (point: Report['uncontended'][number]) => Judged): Candidate[] {
  return report.uncontended
    .filter((point) => point.who === 'holdfast' && point.inFlight === inFlight && needsServer(report, point.backend))
    .map((point) => ({ backend: point.backend, name: titleOf(report, point.backend), ...judged(point) }));
}

function crowded(report: Report, judged: (point: Contention) => Judged): Candidate[] {
  return crowdedCell(report)
    .map((point) => ({
      backend: point.backend,
      name: titleOf(report, point.backend),
      ...judged(point),
      ruledOut: point.violations > 0 ? `two holders had the key at once, ${point.violations} times` : undefined,
    }))
    .filter(({ value }) => Number.isFinite(value));
}

/** The same cell for all: with most backends, then most processes, then nearest to 32 waiters, then the shortest hold. */
export function crowdedCell(report: Report): Contention[] {
  const cells = new Map<string, Contention[]>();
  for (const point of report.contention.filter(({ backend }) => needsServer(report, backend))) {
    const cell = `${point.waiters} ${point.processes} ${point.holdMs}`;
    cells.set(cell, [...(cells.get(cell) ?? []), point]);
  }
  const from32 = ({ waiters }: Contention) => Math.abs(Math.log2(waiters / 32));
  const [best] = [...cells.values()].sort(
    (a, b) =>
      b.length - a.length ||
      b[0]!.processes - a[0]!.processes ||
      from32(a[0]!) - from32(b[0]!) ||
      a[0]!.holdMs - b[0]!.holdMs,
  );
  return best ?? [];
}

const nameOf = (report: Report, { backend, setup }: Fault) =>
  setup === '' ? titleOf(report, backend) : `${titleOf(report, backend)}, ${setup}`;

/** Whoever went through the loss of a leader, judged by all faults of its backend. */
function survivors(report: Report): Candidate[] {
  return report.faults
    .filter(({ id, serviceBackMs }) => id === 'leader-killed' && serviceBackMs.length > 0)
    .map((fault) => {
      const { median: value, low, high } = spread(fault.serviceBackMs);
      const broken = report.faults.find((other) => other.backend === fault.backend && breaksHere(other));
      return {
        backend: fault.backend,
        name: nameOf(report, fault),
        value,
        low,
        high,
        ruledOut: notPromised(report, fault.backend) ?? (broken && whyNot(broken)),
      };
    });
}

/** What went well a few times may still not be promised. */
function notPromised(report: Report, backend: Fault['backend']): string | undefined {
  return promisesFailover(report, backend) ? undefined : 'not guaranteed';
}

/** Whether the backend's adapter says that exclusion survives the loss of a leader. */
export function promisesFailover({ features }: Report, backend: Fault['backend']): boolean {
  return features.find(({ name }) => name === survivesFailover)?.values[backend] === 'yes';
}

/**
 * Whether exclusion broke, or is known to be able to: one run without a violation proves nothing where it is in the nature of
 * the set-up. Servers that forget all they knew are another matter: no lock outlives that, and it tells no backend from another.
 */
export function breaksHere({ id, violations, staleWrites, overlapMs, expected }: Fault): boolean {
  if (id === 'server-emptied') return false;
  return violations.length > 0 || staleWrites.accepted > 0 || overlapMs > 0 || expected !== '';
}

function whyNot(fault: Fault): string {
  const { violations, overlapMs, staleWrites } = fault;
  if (violations.length > 0 || overlapMs > 0) return `two holders at once: ${titleAndSetup(fault)}`;
  if (staleWrites.accepted > 0) return `a stale write got through: ${titleAndSetup(fault)}`;
  return `two holders are possible: ${titleAndSetup(fault)}`;
}

export function titleAndSetup({ title, setup }: Fault): string {
  return setup === '' ? title : `${title} (${setup})`;
}

function crowdsOfLocks(report: Report): Candidate[] {
  return largestCommon(report).map((point) => ({
    backend: point.backend,
    name: titleOf(report, point.backend),
    ...exactly(point.clientCpu + (point.serverCpu ?? 0)),
    ruledOut: point.lost > 0 ? `${point.lost} locks were lost` : undefined,
  }));
}

/** The points of the servers' backends with the largest number of locks that all of them were measured with. */
function largestCommon(report: Report): ScalePoint[] {
  const points = report.scale.filter(({ backend }) => needsServer(report, backend));
  const backends = new Set(points.map(({ backend }) => backend));
  const sizes = [...new Set(points.map(({ locks }) => locks))].sort((a, b) => b - a);
  const common = sizes.find((size) => points.filter(({ locks }) => locks === size).length === backends.size);
  return points.filter(({ locks }) => locks === common);
}

function inProcess(report: Report): Candidate[] {
  const measured = report.uncontended.filter(({ who, inFlight }) => who === 'holdfast' && inFlight === 1);
  if (!measured.some(({ backend }) => !needsServer(report, backend))) return [];
  return measured.map(({ backend, opsPerSecond: { median: value, low, high } }) => ({
    ...{ backend, name: titleOf(report, backend), value, low, high },
  }));
}

/** The middle of the rounds, in words; nothing where there was none. */
export function middleMs(values: readonly number[]): string {
  return values.length === 0 ? '–' : `${figure(median(values))} ms`;
}
