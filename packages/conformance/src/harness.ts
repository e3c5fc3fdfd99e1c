import type { Capabilities, LockAdapter, Locks, LocksOptions } from '@holdfast/lock-core';
import type { ProxyTarget } from './faults/types.ts';

/** How an adapter is brought to the suite. */
export interface Harness {
  /** Stands in titles and reports, e.g. `ioredis 6, cluster`. */
  readonly name: string;
  /**
   * Makes a client of the backend. Called at least twice per case: the clients share the backend and nothing else. The suite
   * calls `close` on each; where the adapter's client is the caller's, let `close` end that client too.
   *
   * @param at where to connect to instead of the servers, one address for each of them: there the suite has put a proxy that
   * breaks connections. Only passed where `servers` is given.
   */
  adapter(at?: readonly ProxyTarget[]): Promise<LockAdapter>;
  /** Where the servers of the backend listen. Without it the cases with broken connections are skipped. */
  servers?(): readonly ProxyTarget[];
  /** How another process makes a client. Without it the cases with several processes are skipped. */
  process?(): ProcessClient;
  /** What the adapter is expected to declare, every flag of it. */
  readonly capabilities: Capabilities;
  /** To slow a case down for a slow backend; the defaults are derived from the capabilities. */
  readonly timing?: Partial<Timing> | undefined;
  readonly hooks?: Hooks | undefined;
  /** What the report says was tested, e.g. `{ client: 'ioredis 5.11.1', server: 'redis 8.2.3' }`; asked at the end of a run. */
  versions?(): Versions | Promise<Versions>;
  /** The seed of what the harness itself leaves to chance, for the report. */
  readonly seed?: string | number | undefined;
  /**
   * Cases that fail for a reason that you know, by id, with that reason. They still run, and one that passes fails the run:
   * the list cannot outlive its reasons.
   */
  readonly knownFailing?: Readonly<Record<string, string>> | undefined;
  /** Passed to every `createLocks` of the suite. */
  readonly locksOptions?: LocksOptions | undefined;
  /** Makes the `Locks` of every case; default `createLocks` of lock-core. To check what you have wrapped around it. */
  createLocks?(adapter: LockAdapter, options: LocksOptions): Locks;
}

/** Names and versions of what was tested; what is left out is not reported. */
export interface Versions {
  readonly adapter?: string | undefined;
  readonly client?: string | undefined;
  readonly server?: string | undefined;
}

/** A module by which a process that the suite starts makes a client of the same backend. */
export interface ProcessClient {
  /**
   * Its URL, e.g. `new URL('./open-adapter.js', import.meta.url)`. It exports `openAdapter(options, at?)`, which gives an adapter or the
   * promise of one; `at` is as in `adapter(at)`, and passed by stress runs that break connections.
   */
  readonly module: URL | string;
  /** What `openAdapter` is called with: addresses and the like, as JSON. */
  readonly options?: unknown;
  /** Arguments of Node for the process, e.g. `['--import', 'tsx']` for a module in TypeScript; default those of this process. */
  readonly execArgv?: readonly string[] | undefined;
}

/**
 * What only the author of the harness can do to the backend. All optional; the cases that need one are skipped without it. Those that
 * disturb all clients (all but `revoke`) are used by cases that run alone, after the others.
 */
export interface Hooks {
  /** Makes the backend drop the hold of `key` as if its holder had crashed, e.g. by ending its session. */
  revoke?(key: string): Promise<void>;
  /**
   * Stops the servers in their tracks (SIGSTOP): connections stay open, and nothing is answered from when this resolves: a
   * server of many threads goes on for a while after the signal. Resolves to what lets them go on.
   */
  freeze?(): Promise<() => void | Promise<void>>;
  /** Kills the servers and starts them again, with what they keep over a crash; resolves when they answer. */
  restart?(): Promise<void>;
  /** Moves the backend's own clock on, where that is no real one. */
  advance?(ms: number): Promise<void>;
  /** Makes the backend lose its leader or primary; resolves when another server has taken over. */
  failover?(): Promise<void>;
}

/** The times that all cases derive theirs from, in ms. */
export interface Timing {
  /** The lease of a hold that is to expire; default a little more than the backend's shortest and than 400, and than four calls take. */
  readonly ttlMs: number;
  /** The lease of a hold that must stand while it is renewed; default a little more than three times `ttlMs` and than 1,200. */
  readonly leaseMs: number;
  /** The lease of a hold whose end plays no role; default 61,337. */
  readonly longTtlMs: number;
  /** How long "eventually" lasts, beyond what the backend declares; default 2,000; twenty calls, as they were measured at warm-up, are added. */
  readonly graceMs: number;
  /** How long "it must not happen" is watched; default 250. Never used to prove that something happened. */
  readonly quietMs: number;
  /** Between two looks; default a fiftieth of `ttlMs`, at least 20. */
  readonly pollMs: number;
}

/** Fills in the defaults; the environment variable LOCK_CONFORMANCE_TIME_SCALE stretches the patience on a slow machine. */
export function timingOf(harness: Harness, latencyMs = 0): Timing {
  const scale = Number(process.env.LOCK_CONFORMANCE_TIME_SCALE ?? 1);
  const { minMs } = harness.capabilities.ttl;
  // No round number, and no multiple of a granularity: what is cut off shows.
  const ttlMs = harness.timing?.ttlMs ?? Math.ceil(Math.max(minMs, 400, 4 * latencyMs)) + 37;
  return {
    ttlMs,
    leaseMs: Math.max(3 * ttlMs, 1_200) + 11,
    longTtlMs: 61_337,
    pollMs: Math.max(20, Math.ceil(ttlMs / 50)),
    ...harness.timing,
    // A case makes some calls after another; each takes its time on a slow backend.
    graceMs: Math.ceil(((harness.timing?.graceMs ?? 2_000) + 20 * latencyMs) * scale),
    quietMs: Math.ceil(((harness.timing?.quietMs ?? 250) + 2 * latencyMs) * scale),
  };
}

const isFlag = (value: unknown) => typeof value === 'boolean';
const isFlagOrAbsent = (value: unknown) => value === undefined || isFlag(value);
const oneOf =
  (...values: string[]) =>
  (value: unknown) =>
    typeof value === 'string' && values.includes(value);
const isMs = (value: unknown) => typeof value === 'number' && Number.isFinite(value) && value >= 0;

const capabilityRules: Record<string, (value: unknown) => boolean> = {
  fencing: isFlag,
  fairness: oneOf('fifo', 'none'),
  expiry: oneOf('ttl', 'session'),
  wakeup: oneOf('push', 'poll'),
  survivesFailover: isFlag,
  crossProcess: isFlag,
  shared: isFlagOrAbsent,
  permits: isFlagOrAbsent,
  'ttl.minMs': (value) => isMs(value) && value !== 0,
  'ttl.granularityMs': (value) => isMs(value) && value !== 0,
  'ttl.maxOvershootMs': isMs,
};

/** The capability flags that are missing or have no legal value, by name; a flag that is left out is no answer. */
export function badCapabilities(capabilities: Capabilities | undefined): string[] {
  return Object.entries(capabilityRules)
    .filter(([path, isLegal]) => {
      const value = path
        .split('.')
        .reduce<unknown>((at, name) => (at as Record<string, unknown>)?.[name], capabilities);
      return !isLegal(value);
    })
    .map(([path]) => path);
}
