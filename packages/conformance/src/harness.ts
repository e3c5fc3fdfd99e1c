import type { Capabilities, LockAdapter, Locks, LocksOptions } from '@holdfast/lock-core';
import type { ProxyTarget } from './faults/types.ts';

/** What the suite needs to test an adapter. */
export interface Harness {
  /** The name in titles and reports, e.g. `ioredis 6, cluster`. */
  readonly name: string;
  /**
   * Creates a client of the backend. Called at least twice per case; the clients must share only the backend. The suite calls `close`
   * on each. If the adapter does not own its client, let `close` end that client too.
   *
   * @param at The addresses to connect to instead of the servers, one for each server. Proxies of the suite, which break connections,
   * listen there. Passed only if `servers` is given.
   */
  adapter(at?: readonly ProxyTarget[]): Promise<LockAdapter>;
  /** The addresses of the servers of the backend. Without it, the cases with broken connections are skipped. */
  servers?(): readonly ProxyTarget[];
  /** How another process creates a client. Without it, the cases with several processes are skipped. */
  process?(): ProcessClient;
  /** The capabilities that the adapter must declare, with every flag. */
  readonly capabilities: Capabilities;
  /** Slows the cases down for a slow backend. The defaults are derived from the capabilities. */
  readonly timing?: Partial<Timing> | undefined;
  readonly hooks?: Hooks | undefined;
  /** The tested versions for the report, e.g. `{ client: 'ioredis 5.11.1', server: 'redis 8.2.3' }`. Called at the end of a run. */
  versions?(): Versions | Promise<Versions>;
  /** The seed of the harness's own random choices, for the report. */
  readonly seed?: string | number | undefined;
  /**
   * Cases that fail for a known reason: that reason, by the ID of the case. They still run, and if one of them passes, the run fails, so
   * that the list stays correct.
   */
  readonly knownFailing?: Readonly<Record<string, string>> | undefined;
  /** Passed to every `createLocks` of the suite. */
  readonly locksOptions?: LocksOptions | undefined;
  /** Creates the `Locks` of every case, such as to check a wrapper. Default: `createLocks` of lock-core. */
  createLocks?(adapter: LockAdapter, options: LocksOptions): Locks;
}

/** The names and versions of what was tested. Fields that are left out are not reported. */
export interface Versions {
  readonly adapter?: string | undefined;
  readonly client?: string | undefined;
  readonly server?: string | undefined;
}

/** A module with which a process that the suite starts creates a client of the same backend. */
export interface ProcessClient {
  /**
   * Its URL, e.g. `new URL('./open-adapter.js', import.meta.url)`. It must export `openAdapter(options, at?)`, which returns an adapter
   * or the promise of one. `at` is as in `adapter(at)`; stress runs that break connections pass it.
   */
  readonly module: URL | string;
  /** The first argument of `openAdapter`, such as addresses. Passed as JSON. */
  readonly options?: unknown;
  /** The arguments of Node for the process, e.g. `['--import', 'tsx']` for a TypeScript module. Default: those of this process. */
  readonly execArgv?: readonly string[] | undefined;
}

/**
 * Operations on the backend that only the author of the harness can provide. All are optional; without one, the cases that need it are
 * skipped. All hooks except `revoke` disturb all clients, so the cases that use them run alone, after the others.
 */
export interface Hooks {
  /** Makes the backend drop the hold of `key` as if its holder had crashed, e.g. by ending its session. */
  revoke?(key: string): Promise<void>;
  /**
   * Freezes the servers (SIGSTOP): connections stay open, but nothing is answered. Must resolve only when that is the case, since a
   * server with many threads continues for a while after the signal. Resolves to a function that lets the servers continue.
   */
  freeze?(): Promise<() => void | Promise<void>>;
  /** Kills the servers and starts them again, with the data that survives a crash. Resolves when they answer. */
  restart?(): Promise<void>;
  /** Advances the clock of the backend, if it is not a real clock. */
  advance?(ms: number): Promise<void>;
  /** Makes the backend lose its leader or primary. Resolves when another server has taken over. */
  failover?(): Promise<void>;
}

/** The times in ms from which all cases derive their own. */
export interface Timing {
  /** The lease of a hold that should expire. Default: slightly more than the backend's shortest lease, than 400, and than four calls. */
  readonly ttlMs: number;
  /** The lease of a hold that must not expire while it is renewed. Default: slightly more than three times `ttlMs`, and than 1,200. */
  readonly leaseMs: number;
  /** The lease of a hold whose expiry does not matter; default 61,337. */
  readonly longTtlMs: number;
  /** How long "eventually" lasts, beyond what the backend declares; default 2,000. The time of twenty calls at warm-up is added. */
  readonly graceMs: number;
  /** How long the suite observes that something does not happen; default 250. Never used to prove that something happened. */
  readonly quietMs: number;
  /** The time between two polls; default a fiftieth of `ttlMs`, and at least 20. */
  readonly pollMs: number;
}

/** Fills in the defaults; the environment variable LOCK_CONFORMANCE_TIME_SCALE stretches the time-outs on a slow machine. */
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
