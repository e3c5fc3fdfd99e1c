/** A whole simulation as data: what a seed draws, what a shrinker makes smaller, and what a replay reads. */
export interface Schedule {
  readonly seed: string;
  readonly backend: BackendName;
  /** The neighbourhood in which it looks for faults. */
  readonly about: string;
  /** What this backend's model is to be like; drawn by the backend itself. */
  readonly options: Readonly<Record<string, number | string | boolean>>;
  readonly clients: readonly ClientTerms[];
  readonly network: NetworkTerms;
  readonly steps: readonly Step[];
  /** Requests for claims that go to the adapter itself, in place of the steps. */
  readonly claims?: readonly ClaimStep[] | undefined;
  readonly faults: readonly Fault[];
}

export type BackendName = 'memory' | 'redis' | 'redlock' | 'zookeeper' | 'etcd' | 'postgres';
export const backendNames: readonly BackendName[] = ['memory', 'redis', 'redlock', 'zookeeper', 'etcd', 'postgres'];

/** One simulated process. */
export interface ClientTerms {
  readonly rate: number;
  readonly wallOffsetMs: number;
  /** What the monotonic clock shows at the beginning. */
  readonly originMs: number;
  /** The options of each `Locks` that it makes over one adapter. */
  readonly locks: readonly LocksTerms[];
}

export interface LocksTerms {
  readonly ttlMs?: number | undefined;
  readonly waitMs?: number | undefined;
  readonly autoRenew?: boolean | undefined;
  readonly maxHoldMs?: number | undefined;
  readonly backendTimeoutMs?: number | undefined;
  readonly attemptTimeoutMs?: number | undefined;
  readonly localRun?: { readonly count: number; readonly ms?: number | undefined } | undefined;
}

export interface NetworkTerms {
  readonly leastMs: number;
  readonly mostMs: number;
  /** How often a packet takes much longer. */
  readonly slowRate: number;
  /** Only packets to servers, or only those from them; default: both. */
  readonly slowWay?: 'there' | 'back' | undefined;
  readonly slowMs: number;
}

/** One call of an application, and what it does with the answer. */
export interface Step {
  readonly id: number;
  readonly at: number;
  readonly client: number;
  readonly locks: number;
  readonly call:
    | 'acquire'
    | 'tryAcquire'
    | 'using'
    | 'acquireAll'
    | 'tryAcquireAll'
    | 'lead'
    | 'watch'
    | 'forceRelease'
    | 'inspect'
    | 'list'
    | 'close';
  readonly key: string;
  /** Of a call for several keys, the other ones. */
  readonly more?: readonly string[] | undefined;
  readonly options: StepOptions;
  /** How the holder learns of a loss. */
  readonly watches: 'signal' | 'state' | 'both';
  /** What happens under the lock, one after the other; then it is released. */
  readonly inside: readonly Deed[];
  /** `twice` releases again at once; `never` leaves it to the end of the lease. */
  readonly release: 'once' | 'twice' | 'never';
}

export type SimulatedClaim =
  | { readonly mode: 'exclusive' | 'shared' }
  | { readonly mode: 'permits'; readonly permits: number; readonly limit: number };

/** One request for a claim, and what its holder does. */
export interface ClaimStep {
  readonly id: number;
  readonly at: number;
  readonly client: number;
  readonly key: string;
  readonly claim: SimulatedClaim;
  /** It takes a place in the queue; else it asks once. */
  readonly waits: boolean;
  /** Of one that asks once: after how long without an answer it asks again, for the same owner ID. */
  readonly repeatsMs: number | undefined;
  /** After so many ms, its holder asks once more for the same owner ID, as a request does that arrives late. */
  readonly asksAgainAfterMs: number | undefined;
  readonly ttlMs: number;
  /** For how long its renewals ask: for a longer lease, or like the request. */
  readonly renewsForMs: number;
  readonly tokens: number;
  readonly workMs: number;
  /** After which part of the work an exclusive hold is turned into a shared one. */
  readonly downgradesAfter: number | undefined;
  /** It does not renew, and releases so many ms after its lease has ended, unless its work is done by then. */
  readonly overstaysMs: number | undefined;
  /** After how many ms another process forces it out. */
  readonly forcedAfterMs: number | undefined;
  /** After how many ms it gives up. */
  readonly abortMs: number | undefined;
}

/** Of `AcquireOptions`, as data. */
export interface StepOptions {
  readonly ttlMs?: number | undefined;
  readonly waitMs?: number | undefined;
  readonly autoRenew?: boolean | undefined;
  readonly maxHoldMs?: number | undefined;
  /** Only where holds have leases. */
  readonly graceMs?: number | undefined;
  readonly reentrant?: boolean | undefined;
  readonly mode?: 'shared' | undefined;
  /** Of the semaphore that there is. */
  readonly permits?: number | undefined;
  /** The number of an explicit owner of this client. */
  readonly owner?: number | undefined;
  /** After how many ms its signal aborts. */
  readonly abortMs?: number | undefined;
}

/** Something that is done under a lock. */
export type Deed =
  | { readonly do: 'work'; readonly ms: number }
  | { readonly do: 'renew'; readonly ttlMs: number | undefined; readonly awaited: boolean }
  | { readonly do: 'assert' }
  | { readonly do: 'downgrade'; readonly awaited: boolean }
  /** A write beside the lock, through a guard with the token of the lock. */
  | { readonly do: 'write' }
  /** A transaction of the application in which the lock is asserted; `abandon` breaks the connection. */
  | { readonly do: 'transaction'; readonly ms: number; readonly ends: 'commit' | 'rollback' | 'abandon' }
  /** Another acquisition, in the same body; `beside` does not wait for its end. */
  | { readonly do: 'nested'; readonly step: Step; readonly beside: boolean };

/** Something that goes wrong, from outside of the processes. */
export type Fault =
  | { readonly kind: 'pause' | 'suspend'; readonly at: number; readonly client: number; readonly ms: number }
  | { readonly kind: 'crash'; readonly at: number; readonly client: number }
  | { readonly kind: 'step-wall'; readonly at: number; readonly client: number; readonly ms: number }
  /** Messages of one direction, or of both, are lost until the end, or arrive only then. */
  | {
      readonly kind: 'silence' | 'stall';
      readonly at: number;
      readonly client: number;
      readonly server: number;
      readonly direction: 'there' | 'back' | 'both';
      readonly ms: number;
    }
  /** Connections are reset; what is on its way is lost. */
  | { readonly kind: 'reset'; readonly at: number; readonly client: number; readonly server: number }
  /** Connections break on the client's side alone; what it sent since then, or shortly before, arrives only at the end. */
  | {
      readonly kind: 'half-open';
      readonly at: number;
      readonly client: number;
      readonly server: number;
      readonly ms: number;
      readonly brokenAfterMs: number;
    }
  | { readonly kind: 'freeze' | 'outage'; readonly at: number; readonly server: number; readonly ms: number }
  /** What only some backends know: failover, restart, flushed scripts and so on. */
  | {
      readonly kind: 'server';
      readonly name: string;
      readonly at: number;
      readonly server: number;
      readonly ms: number;
    };
