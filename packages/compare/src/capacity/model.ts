import type { Backend, BackendId, Growth, Report, ScalePoint } from '../report/schema.ts';
import { type Curve, curveOf } from './curve.ts';

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
  /** A process holds more locks than were measured: the fitted exponents were used. */
  readonly extrapolated: boolean;
}

/** What one backend needs, by its measured costs. */
export interface CapacityModel {
  readonly backend: Backend;
  readonly ttlMs: number;
  /** The most locks of one process that were measured. */
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

function modelOf(backend: Backend, points: readonly ScalePoint[], growth: readonly Growth[]): CapacityModel {
  const curve = (cost: 'clientCpu' | 'serverCpu' | 'requestsPerSecond') =>
    curveOf(
      points.flatMap((point) => (point[cost] === null ? [] : [{ n: point.locks, cost: point[cost] }])),
      growth.find((each) => each.backend === backend.id && each.over === 'locks' && each.cost === cost),
    );
  const [requests, serverCpu, clientCpu] = [curve('requestsPerSecond'), curve('serverCpu'), curve('clientCpu')];
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
      const ofAll = (one: Curve | undefined) => (one === undefined ? null : one.at(locksPerProcess) * holding);
      return {
        ...{ locks, processes, locksPerProcess },
        requestsPerSecond: ofAll(requests),
        serverCores: serverCpu === undefined ? null : shared(serverCpu, locksPerProcess, holding),
        serverBytes: perLock.server === null ? null : perLock.server * locks,
        connections: each === null ? null : each * processes,
        clientCores: clientCpu === undefined ? null : clientCpu.at(locksPerProcess),
        clientBytes: perLock.client === null ? null : perLock.client * locksPerProcess,
        sessions: only(backend.id, 'zookeeper', processes),
        leases: only(backend.id, 'etcd', holding),
        extrapolated: locksPerProcess > measuredTo,
      };
    },
  };
}

/** The servers' own work, which goes on without any lock, counts once however many processes there are. */
function shared(curve: Curve, locksPerProcess: number, processes: number): number {
  const own = curve.at(0);
  return own + Math.max(0, curve.at(locksPerProcess) - own) * processes;
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

function connectionsOf(points: readonly ScalePoint[]): number | null {
  const known = points.map(({ connections }) => connections).filter((count) => count !== null);
  return known.length === 0 ? null : Math.max(...known);
}
