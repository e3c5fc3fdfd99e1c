import type { Backend, BackendId, Growth, Report, ScalePoint } from '../report/schema.ts';
import { type Curve, type CurvePoint, curveOf, idleCost } from './curve.ts';

/** The numbers of held locks, of all processes together, and of processes that the pages speak of. */
export const lockCounts = [1_000, 100_000, 1_000_000] as const;
export const processCounts = [10, 1_000, 10_000] as const;

/** What a number of held locks, spread evenly over a number of client processes, needs; null where it was not measured. */
export interface Need {
  readonly locks: number;
  readonly processes: number;
  /** Of one process that holds locks. */
  readonly locksPerProcess: number;
  /** To all servers together. */
  readonly requestsPerSecond: number | null;
  readonly serverCores: number | null;
  readonly serverBytes: number | null;
  readonly connections: number | null;
  /** Of one process. */
  readonly clientCores: number | null;
  readonly clientBytes: number | null;
  /** Sessions in ZooKeeper. */
  readonly sessions: number;
  /** Leases in etcd, with one TTL in use. */
  readonly leases: number;
  /** More locks than the servers held in the run. */
  readonly extrapolated: boolean;
}

/** What one backend needs, by its measured costs. */
export interface CapacityModel {
  readonly backend: Backend;
  readonly ttlMs: number;
  /** The most locks that were measured: of one process, and of the servers. */
  readonly measuredTo: number;
  readonly need: (locks: number, processes: number) => Need;
}

/** Of each backend whose held locks were measured. */
export function capacityModels(report: Report): CapacityModel[] {
  return report.backends.flatMap((backend) => {
    const points = report.scale.filter((point) => point.backend === backend.id);
    return points.length === 0 ? [] : [modelOf(backend, points, report.growth)];
  });
}

type Cost = 'clientCpu' | 'serverCpu' | 'requestsPerSecond';

function modelOf(backend: Backend, points: readonly ScalePoint[], growth: readonly Growth[]): CapacityModel {
  const pointsOf = (cost: Cost) =>
    points.flatMap((point) => (point[cost] === null ? [] : [{ n: point.locks, cost: point[cost] }]));
  const growthOf = (cost: Cost) =>
    growth.find((each) => each.backend === backend.id && each.over === 'locks' && each.cost === cost);
  // Requests are counted, and follow their exponent; CPU is noisy, and is never taken to get cheaper by the piece.
  const requests = curveOf(pointsOf('requestsPerSecond'), growthOf('requestsPerSecond'), 0);
  const clientCpu = cpuCurve(pointsOf('clientCpu'), growthOf('clientCpu'));
  const serverCpu = cpuCurve(pointsOf('serverCpu'), growthOf('serverCpu'));
  const measuredTo = Math.max(...points.map(({ locks }) => locks));
  const perLock = {
    server: weighed(points, ({ serverBytesPerLock }) => serverBytesPerLock),
    client: weighed(points, ({ clientBytesPerLock }) => clientBytesPerLock),
  };
  const each = connectionsOf(points);
  return {
    backend,
    ttlMs: points[0]!.ttlMs,
    measuredTo,
    need(locks, processes) {
      // With fewer locks than processes, some of these hold none.
      const holding = Math.min(processes, locks);
      const locksPerProcess = locks / holding;
      return {
        ...{ locks, processes, locksPerProcess },
        requestsPerSecond: requests === undefined ? null : requests(locksPerProcess) * holding,
        // Servers have to do with all locks together, however they are spread.
        serverCores: serverCpu === undefined ? null : serverCpu(locks),
        serverBytes: perLock.server === null ? null : perLock.server * locks,
        connections: each === null ? null : each * processes,
        clientCores: clientCpu === undefined ? null : clientCpu(locksPerProcess),
        clientBytes: perLock.client === null ? null : perLock.client * locksPerProcess,
        sessions: only(backend.id, 'zookeeper', processes),
        leases: only(backend.id, 'etcd', holding),
        extrapolated: locks > measuredTo,
      };
    },
  };
}

/** What goes on without any lock counts once; only the rest grows with them. */
function cpuCurve(points: readonly CurvePoint[], growth: Growth | undefined): Curve | undefined {
  const idle = idleCost(points);
  const rest = points.map(({ n, cost }) => ({ n, cost: Math.max(0, cost - idle) }));
  const curve = curveOf(rest, growth, 1);
  return curve && ((n) => idle + curve(n));
}

/** A process has one session however many locks it holds; one lease where it holds any. */
function only(id: BackendId, backend: BackendId, processes: number): number {
  return id === backend ? processes : 0;
}

/** Of the point with most locks, where what the process needs anyway counts least. */
function weighed(points: readonly ScalePoint[], bytes: (point: ScalePoint) => number | null): number | null {
  const known = points.filter((point) => bytes(point) !== null).sort((a, b) => b.locks - a.locks);
  return known.length === 0 ? null : Math.max(0, bytes(known[0]!)!);
}

/** 0 is no answer: to hold locks takes a connection. */
function connectionsOf(points: readonly ScalePoint[]): number | null {
  const known = points.map(({ connections }) => connections).filter((count) => count !== null && count > 0) as number[];
  return known.length === 0 ? null : Math.max(...known);
}
