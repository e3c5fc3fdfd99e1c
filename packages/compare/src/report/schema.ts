// What `report.json` holds. Times end in Ms or Us, shares lie between 0 and 1, and a figure that is not known is null.
import type { Machine } from '../machine.ts';
import type { Spread } from '../stats.ts';

/** Raised when a field changes its meaning. */
export const schemaVersion = 1;

/** One run of `pnpm compare`. */
export interface Report {
  readonly schema: typeof schemaVersion;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly tookMs: number;
  readonly mode: 'quick' | 'full';
  readonly machine: Machine;
  readonly settings: readonly Setting[];
  /** In the order of display; the other parts name them by `id`. */
  readonly backends: readonly Backend[];
  readonly uncontended: readonly Uncontended[];
  readonly contention: readonly Contention[];
  /** Many waiters for one key. */
  readonly waiters: readonly WaitersPoint[];
  /** Many held locks. */
  readonly scale: readonly ScalePoint[];
  readonly growth: readonly Growth[];
  readonly faults: readonly Fault[];
  readonly rivals: readonly Rival[];
  readonly features: readonly Feature[];
  readonly notMeasured: readonly NotMeasured[];
  /** What must not happen at all and did, such as a lost lock where no fault was; none when all is well. Faults have their own. */
  readonly failures: readonly string[];
}

/** A setting of the run, in words. */
export interface Setting {
  readonly name: string;
  readonly value: string;
}

/** What the comparison compares: Holdfast on one kind of server, through one client. */
export interface Backend {
  readonly id: BackendId;
  /** For people, such as `Redis (ioredis)`. */
  readonly title: string;
  /** Client library and version, such as `ioredis 6.0.0`. */
  readonly client: string;
  /** Name, version and what matters of the configuration. */
  readonly server: string;
  /** How many servers there are. */
  readonly servers: number;
}

export type BackendId = 'memory' | 'ioredis' | 'node-redis' | 'redlock' | 'zookeeper' | 'etcd' | 'postgres';
export const backendIds: readonly BackendId[] = [
  ...(['memory', 'ioredis', 'node-redis', 'redlock', 'zookeeper', 'etcd', 'postgres'] as const),
];

/** How many values, and below which value which part of them lies. */
export interface Distribution {
  readonly count: number;
  readonly min: number;
  readonly p10: number;
  readonly p25: number;
  readonly p50: number;
  readonly p75: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** A free lock, taken and given back again and again. */
export interface Uncontended {
  readonly backend: BackendId;
  /** `holdfast`, or `raw`: the smallest sequence of calls of the same client that locks. */
  readonly who: 'holdfast' | 'raw';
  /** What the raw calls are; empty for Holdfast. */
  readonly what: string;
  /** How many at a time: 1 or 64. */
  readonly inFlight: number;
  readonly opsPerSecond: Spread;
  /** Acquire and release of one lock, all rounds together. */
  readonly latencyUs: Distribution;
  /** CPU of the client process for each operation. */
  readonly clientCpuUs: Spread;
  /** ops/s to those of the raw calls, round by round; null for the raw calls and where there are none. */
  readonly ratioToRaw: Spread | null;
}

/** Waiters of some processes compete for one key. */
export interface Contention {
  readonly backend: BackendId;
  /** Of all processes together. */
  readonly waiters: number;
  readonly processes: number;
  readonly holdMs: number;
  /** A holder who takes the lock again at once has handed nothing over. */
  readonly handOversPerSecond: Spread;
  /** From just before the release to the grant of another waiter, all rounds together. */
  readonly handOverMs: Distribution;
  /** From the request to the grant. */
  readonly waitMs: Distribution;
  /** Jain's index of the turns: 1 when all waiters got as many, 1 / waiters when one got all. */
  readonly jain: number;
  /** Turns of the waiter with most to those of the one with fewest; null when that one had none. */
  readonly mostToFewest: number | null;
  readonly longestWaitMs: number;
  /**
   * That, against what each would wait in an ideal strict queue in which a turn takes as long as here, so that who is slow is not the
   * fairer for it; absent in reports of earlier versions.
   */
  readonly longestToStrict?: number;
  /** Requests to the servers for each hand-over; those within Redis scripts count too. */
  readonly requestsPerHandOver: number | null;
  /** Which part of the time the key was held. */
  readonly heldShare: number;
  /** Two holders at once, or a token that did not rise; 0 or something is broken. */
  readonly violations: number;
}

/** So many waiters of one process ask for one key at the same moment; each takes one turn of 0 ms. */
export interface WaitersPoint {
  readonly backend: BackendId;
  readonly waiters: number;
  /** Until the last one had its turn; the median of the rounds. */
  readonly totalMs: number;
  readonly waitMs: Distribution;
  readonly clientCpuUsPerWaiter: number;
  readonly serverCpuUsPerWaiter: number | null;
  readonly requestsPerWaiter: number | null;
}

/** So many locks are held by one process and only renewed. */
export interface ScalePoint {
  readonly backend: BackendId;
  readonly locks: number;
  readonly ttlMs: number;
  /** Cores: 1 is one core all the time. */
  readonly clientCpu: number;
  readonly serverCpu: number | null;
  /** To all servers together; null where there is none. */
  readonly requestsPerSecond: number | null;
  readonly clientBytesPerLock: number | null;
  /** Of all servers together. */
  readonly serverBytesPerLock: number | null;
  readonly eventLoopLagP99Ms: number;
  /** Must be 0. */
  readonly lost: number;
  /** How long taking all of them took. */
  readonly acquireMs: number;
  /** How many connections the process had to all servers together; null where there is no server. */
  readonly connections: number | null;
}

/** cost = factor x n ^ exponent, fitted to the points (least squares of the logarithms). */
export interface Growth {
  readonly backend: BackendId;
  readonly over: 'locks' | 'waiters';
  /** Which figure of a `ScalePoint` or a `WaitersPoint`. For waiters it is what all of them cost together. */
  readonly cost: GrowthCost;
  readonly exponent: number;
  readonly factor: number;
  /** How well it fits: 1 is exact. */
  readonly r2: number;
  /** The points that it was fitted to. */
  readonly points: readonly { readonly n: number; readonly cost: number }[];
}

export type GrowthCost =
  | 'clientCpu'
  | 'serverCpu'
  | 'requestsPerSecond'
  | 'acquireMs'
  | 'totalMs'
  | 'clientCpuUs'
  | 'requests';

export type FaultId =
  | 'holder-killed'
  | 'holder-paused'
  | 'server-frozen'
  | 'server-restarted'
  | 'server-emptied'
  | 'leader-killed'
  | 'partition'
  | 'clock-jump';

/** One process holds a key and writes to a fenced resource without looking at the loss signal, another waits, and something breaks. */
export interface Fault {
  readonly id: FaultId;
  /** In words, such as `The holder is paused for 4 s`. */
  readonly title: string;
  readonly backend: BackendId;
  /** What differs from the plain case, such as `3 servers`, `waitReplicas 1`, `3 of 5 nodes`; empty when nothing does. */
  readonly setup: string;
  readonly ttlMs: number;
  readonly rounds: number;
  /** Of the round with most violations, else the first one; by `atMs`. */
  readonly timeline: readonly FaultEvent[];
  /** For how long at most the old holder believed in its hold while the next one had been granted it. Must be 0. */
  readonly overlapMs: number;
  /** From the end of the old holder's lease, as it counts it, to the next grant, the shortest of the rounds; null when there was none. */
  readonly gapMs: number | null;
  /** Writes of an old holder, after a later token had been seen by the resource; all rounds together. Accepted must be 0. */
  readonly staleWrites: { readonly refused: number; readonly accepted: number };
  /** From the fault until the next holder had its grant, for each round in which there was one. */
  readonly nextHolderMs: readonly number[];
  /** In how many rounds the old holder kept its lock through the fault, and gave it back itself. */
  readonly holderKept: number;
  /** From a fault of a server until somebody could acquire a lock again, for each round; empty for faults of the holder. */
  readonly serviceBackMs: readonly number[];
  /** From the fault until the old holder was told of its loss, for each round in which it was. */
  readonly holderToldMs: readonly number[];
  /** What the check of the history found, all rounds together. */
  readonly violations: readonly string[];
  /** Whether the violations are in the nature of the set-up, and why; empty when none is expected. */
  readonly expected: string;
}

/** A moment of a fault; 0 is the fault itself. */
export interface FaultEvent {
  readonly atMs: number;
  readonly who: 'fault' | 'holder' | 'next' | 'resource';
  readonly kind:
    | 'granted'
    | 'lease-ends'
    | 'lost'
    | 'released'
    | 'fault-begins'
    | 'fault-ends'
    | 'write-refused'
    | 'stale-accepted';
  readonly text: string;
}

/** Another library, or Holdfast or raw calls beside it, on the same Redis. */
export interface Rival {
  /** Such as `redis-semaphore 5.8.0`. */
  readonly name: string;
  readonly isHoldfast: boolean;
  readonly isRaw: boolean;
  /** `default`, or what was tuned. */
  readonly delays: string;
  /** The client library and the version of Node. */
  readonly client: string;
  /** One Redis, or 5 nodes. */
  readonly servers: number;
  readonly sequential: RivalCycles | null;
  readonly inFlight: RivalCycles | null;
  /** Waiters for one key. */
  readonly contention: readonly RivalContention[];
}

export interface RivalCycles {
  readonly opsPerSecond: Spread;
  readonly latencyUs: Distribution;
  /** To the raw calls of the same client on the same Node. */
  readonly ratioToRaw: Spread | null;
}

export interface RivalContention {
  readonly waiters: number;
  readonly processes: number;
  readonly holdMs: number;
  readonly handOversPerSecond: Spread;
  readonly handOverMs: Distribution;
  readonly jain: number;
  readonly longestWaitMs: number;
  readonly requestsPerHandOver: number | null;
  /** Two holders at once, by the clock; 0 of what several may hold. */
  readonly violations: number;
  /** Acquisitions that gave up although the lock passed from hand to hand. */
  readonly errors: number;
}

/** The feature by which a lock that must hold when a server dies is chosen. */
export const survivesFailover = 'Survives the loss of a leader';

/** A line of the table of features. */
export interface Feature {
  readonly name: string;
  /** What it means to a user, in one sentence. */
  readonly meaning: string;
  /** By the ids of the backends, in words: `yes`, `no`, `FIFO`, `at most 1 s late`. */
  readonly values: Readonly<Partial<Record<BackendId, string>>>;
}

/** A gap in the report, and why there is one. */
export interface NotMeasured {
  readonly part: PartId;
  readonly backend: BackendId | null;
  readonly what: string;
  readonly why: string;
}

export type PartId = 'uncontended' | 'contention' | 'scale' | 'waiters' | 'faults' | 'rivals';
export const partIds: readonly PartId[] = ['uncontended', 'contention', 'scale', 'waiters', 'faults', 'rivals'];
