import type { Harness } from '../harness.ts';
import { timingOf } from '../harness.ts';

/** What may happen during a stress run. */
export type Nemesis =
  /** A process stands still for up to almost two leases, and goes on (SIGSTOP, SIGCONT). */
  | 'pause'
  /** A process dies (SIGKILL), and another takes its place. */
  | 'kill'
  /** Connections are reset, refused, delayed, or swallow all in one direction or in both; by a proxy before each server. */
  | 'cut'
  /** The servers stand still: the hook `freeze`. */
  | 'freeze'
  /** The servers crash and start again: the hook `restart`. */
  | 'restart';

/** All faults that a stress run can inject. */
export const nemeses: readonly Nemesis[] = ['pause', 'cut', 'kill', 'freeze', 'restart'];

/** How long and how hard to stress a backend. */
export interface StressOptions {
  readonly durationMs: number;
  /** Default 4; a backend within one process has 1. */
  readonly processes?: number | undefined;
  /** Clients of the backend in each process; default 2, with two tasks on each. */
  readonly clients?: number | undefined;
  /** How many keys they contend for; default 4. Fewer: more waiting. */
  readonly keys?: number | undefined;
  /** Which faults; default all that the harness allows. */
  readonly nemesis?: readonly Nemesis[] | undefined;
  /** Decides workload and faults, though not how long each call takes; default drawn at random. */
  readonly seed?: string | undefined;
  /** The lease of the locks in ms; default the backend's shortest, at least 1,000. Faults last about as long. */
  readonly ttlMs?: number | undefined;
  /** Where the histories go; it must exist. */
  readonly folder: string;
  /** Told about every second. */
  readonly onProgress?: ((progress: StressProgress) => void) | undefined;
  /** Aborted: the run ends early, and what was recorded is checked. */
  readonly signal?: AbortSignal | undefined;
}

/** How far a stress run has come. */
export interface StressProgress {
  readonly elapsedMs: number;
  readonly holds: number;
  readonly faults: number;
  readonly doing: 'running' | 'stopping' | 'claiming' | 'checking';
}

/** Why a fault cannot be injected on a backend; `undefined` when it can. */
export function unavailable(nemesis: Nemesis, harness: Harness): string | undefined {
  if (nemesis === 'cut' && harness.servers === undefined)
    return 'the harness does not say where the servers are, so no proxy can stand before them';
  if (nemesis === 'kill' && !harness.capabilities.crossProcess)
    return 'the backend lives and dies with the one process';
  if ((nemesis === 'freeze' || nemesis === 'restart') && harness.hooks?.[nemesis] === undefined)
    return `the harness has no hook "${nemesis}"`;
  return undefined;
}

/** The options with their defaults. */
export interface StressSettings {
  readonly durationMs: number;
  readonly processes: number;
  readonly clients: number;
  readonly tasks: number;
  readonly keys: number;
  readonly nemesis: readonly Nemesis[];
  readonly seed: string;
  readonly ttlMs: number;
  /** How long a crashed holder's lock stays taken at most. */
  readonly leaseMs: number;
  /** How long the end of anything may take after that. */
  readonly graceMs: number;
}

/** Fills in the defaults. @throws TypeError for a fault that the harness does not allow, or a number that is none */
export function stressSettings(harness: Harness, options: StressOptions, newSeed: () => string): StressSettings {
  const { crossProcess, expiry, ttl } = harness.capabilities;
  const { durationMs, processes = crossProcess ? 4 : 1, clients = 2, keys = 4, seed = newSeed() } = options;
  const ttlMs = options.ttlMs ?? Math.ceil(Math.max(ttl.minMs, 1_000) / ttl.granularityMs) * ttl.granularityMs;
  for (const [name, value] of Object.entries({ durationMs, processes, clients, keys, ttlMs })) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new TypeError(`${name} must be a whole number, 1 or more, got ${value}`);
  }
  if (processes > 1 && !crossProcess) throw new TypeError('The backend is within one process: processes must be 1');
  if (harness.process === undefined)
    throw new TypeError('The harness has no "process" by which another process makes a client');
  const nemesis = options.nemesis ?? nemeses.filter((name) => unavailable(name, harness) === undefined);
  for (const name of nemesis) {
    const why = unavailable(name, harness);
    if (why !== undefined) throw new TypeError(`The fault "${name}" cannot be injected here: ${why}`);
  }
  const leaseMs = expiry === 'ttl' ? ttlMs + ttl.maxOvershootMs : ttl.maxOvershootMs;
  const { graceMs } = timingOf(harness);
  return { durationMs, processes, clients, tasks: 2, keys, nemesis, seed, ttlMs, leaseMs, graceMs };
}
