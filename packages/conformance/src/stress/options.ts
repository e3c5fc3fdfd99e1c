import type { Harness } from '../harness.ts';
import { timingOf } from '../harness.ts';

/** A fault that a stress run can inject. */
export type Nemesis =
  /** A process is frozen for up to almost two leases, and then continues (SIGSTOP, SIGCONT). */
  | 'pause'
  /** A process is killed (SIGKILL) and replaced by another one. */
  | 'kill'
  /** Connections are reset, refused or delayed, or lose all bytes in one or both directions, by a proxy in front of each server. */
  | 'cut'
  /** The servers are frozen, by the hook `freeze`. */
  | 'freeze'
  /** The servers crash and start again, by the hook `restart`. */
  | 'restart';

/** All faults that a stress run can inject. */
export const nemeses: readonly Nemesis[] = ['pause', 'cut', 'kill', 'freeze', 'restart'];

/** Options of `runStress`: how long and how hard to stress the backend. */
export interface StressOptions {
  readonly durationMs: number;
  /** The number of processes; default 4, or 1 for a backend within one process. */
  readonly processes?: number | undefined;
  /** The number of clients of the backend in each process, with two tasks each; default 2. */
  readonly clients?: number | undefined;
  /** The number of contended keys; default 4. With fewer keys, there is more waiting. */
  readonly keys?: number | undefined;
  /** Which faults to inject; default all that the harness allows. */
  readonly nemesis?: readonly Nemesis[] | undefined;
  /** The seed of the workload and the faults, but not of the duration of each call; default random. */
  readonly seed?: string | undefined;
  /** The lease of the locks in ms; default the backend's shortest, and at least 1,000. Faults last about as long. */
  readonly ttlMs?: number | undefined;
  /** The folder for the histories, which must exist. */
  readonly folder: string;
  /** Called about once a second. */
  readonly onProgress?: ((progress: StressProgress) => void) | undefined;
  /** When it aborts, the run ends early, and what was recorded so far is checked. */
  readonly signal?: AbortSignal | undefined;
}

/** The progress of a stress run. */
export interface StressProgress {
  readonly elapsedMs: number;
  readonly holds: number;
  readonly faults: number;
  readonly doing: 'running' | 'stopping' | 'claiming' | 'checking';
}

/** Why a fault cannot be injected into a backend; `undefined` if it can. */
export function unavailable(nemesis: Nemesis, harness: Harness): string | undefined {
  if (nemesis === 'cut' && harness.servers === undefined)
    return 'the harness does not say where the servers are, so no proxy can stand before them';
  if (nemesis === 'kill' && !harness.capabilities.crossProcess)
    return 'the backend lives and dies with the one process';
  if ((nemesis === 'freeze' || nemesis === 'restart') && harness.hooks?.[nemesis] === undefined)
    return `the harness has no hook "${nemesis}"`;
  return undefined;
}

/** The options of a stress run, with their defaults. */
export interface StressSettings {
  readonly durationMs: number;
  readonly processes: number;
  readonly clients: number;
  readonly tasks: number;
  readonly keys: number;
  readonly nemesis: readonly Nemesis[];
  readonly seed: string;
  readonly ttlMs: number;
  /** How long the lock of a crashed holder stays busy at most, in ms. */
  readonly leaseMs: number;
  /** How long any operation may take beyond that to end, in ms. */
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
