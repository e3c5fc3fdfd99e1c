import { figure } from '../format.ts';
import type { BackendId, Report } from '../report/schema.ts';
import { beyond } from './advice.ts';
import { exceeded, type Limit, limitsOf, type Stop, serversFor, stopOf } from './limits.ts';
import { type CapacityModel, lockCounts, type Need, processCounts } from './model.ts';

/** Of Holdfast, where an application does not say otherwise. */
const defaultTtlMs = 30_000;

/** A backend's capacity in words and figures, as the page and the report print it. */
export interface CapacityText {
  readonly title: string;
  readonly about: string;
  readonly needs: readonly NeedText[];
  readonly stops: readonly StopText[];
  readonly beyond: string;
}

/** Where a number of processes can hold no more locks. */
export interface StopText {
  readonly processes: number;
  readonly most: number;
  /** The same in words. */
  readonly locks: string;
  /** What runs out; `undefined` when no limit is known. */
  readonly limit: string | undefined;
  /** A star where the run held fewer locks. */
  readonly mark: '' | ' *';
}

export interface NeedText {
  readonly locks: string;
  readonly processes: string;
  readonly requestsPerSecond: string;
  readonly serverCores: string;
  readonly serverMemory: string;
  readonly connections: string;
  readonly sessionsAndLeases: string;
  readonly clientCores: string;
  readonly clientMemory: string;
  /** What runs out, and how many servers carry it; `fits` when nothing does. */
  readonly verdict: string;
}

export function capacityText(report: Report, model: CapacityModel): CapacityText {
  const { backend, measuredTo, ttlMs } = model;
  const limits = limitsOf(report, model);
  const counts = backend.servers === 0 ? [1] : processCounts;
  return {
    title: backend.title,
    about: `${backend.servers === 0 ? '' : `${backend.server}; ${backend.client}. `}Measured with up to ${whole(measuredTo)} locks in one process, with a TTL of ${figure(ttlMs / 1_000)} s.${defaultTtl(backend.id, ttlMs)}`,
    needs: lockCounts.flatMap((locks) => counts.map((processes) => needText(model.need(locks, processes), limits))),
    stops: counts.map((processes) => stopText(stopOf(model, limits, processes), processes)),
    beyond: beyond[backend.id],
  };
}

/** ZooKeeper looks after its locks by the session time-out, not by the TTL. */
function defaultTtl(id: BackendId, ttlMs: number): string {
  if (id === 'zookeeper' || ttlMs >= defaultTtlMs) return '';
  return ` With the default TTL of 30 s, there are ${figure(defaultTtlMs / ttlMs)} times fewer renewals.`;
}

function needText(need: Need, limits: readonly Limit[]): NeedText {
  const over = exceeded(limits, need).map(({ what }) => what);
  const servers = serversFor(limits, need);
  const groups = servers > 1 ? `; distribute the keys over ${whole(servers)} such servers or groups` : '';
  return {
    locks: whole(need.locks) + (need.extrapolated ? ' *' : ''),
    processes: whole(need.processes),
    requestsPerSecond: known(need.requestsPerSecond, rounded),
    serverCores: known(need.serverCores, cores),
    serverMemory: known(need.serverBytes, bytes),
    connections: known(need.connections, whole),
    sessionsAndLeases: owned(need),
    clientCores: known(need.clientCores, cores),
    clientMemory: known(need.clientBytes, bytes),
    verdict: over.length === 0 ? 'fits' : `too much for ${over.join(' and ')}${groups}`,
  };
}

function owned({ sessions, leases }: Need): string {
  if (sessions > 0) return `${whole(sessions)} sessions`;
  return leases > 0 ? `${whole(leases)} leases` : '–';
}

const stopText = ({ locks, limit, extrapolated }: Stop, processes: number): StopText => ({
  processes,
  most: locks,
  locks: locks === 0 ? 'none' : rounded(locks),
  limit: limit?.what,
  mark: extrapolated ? ' *' : '',
});

const known = (value: number | null, say: (value: number) => string) => (value === null ? 'not measured' : say(value));
const whole = (value: number) => Math.round(value).toLocaleString('en-US');

const cores = (value: number) => (value < 0.01 ? '< 0.01' : figure(value));

/** Two digits: more would be a promise. */
function rounded(value: number): string {
  return value < 100 ? figure(value) : Number(value.toPrecision(2)).toLocaleString('en-US');
}

function bytes(value: number): string {
  const [size, unit] = value >= 2 ** 30 ? [2 ** 30, 'GiB'] : value >= 2 ** 20 ? [2 ** 20, 'MiB'] : [2 ** 10, 'KiB'];
  return `${rounded(value / size)} ${unit}`;
}
