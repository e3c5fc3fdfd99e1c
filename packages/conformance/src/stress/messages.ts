import type { ProxyTarget } from '../faults/types.ts';

/** What a worker is to do, as JSON. */
export interface WorkerPlan {
  /** Its name in the history. */
  readonly label: string;
  /** The file of its history. */
  readonly file: string;
  /** The module whose `openAdapter(options, at)` makes a client of the backend. */
  readonly module: string;
  readonly options: unknown;
  /** The proxies before the servers. */
  readonly at: readonly ProxyTarget[] | undefined;
  readonly seed: string;
  readonly keys: readonly string[];
  /** Keys of semaphores. */
  readonly pools: readonly string[];
  /** Clients of the backend, and tasks on each of them. */
  readonly clients: number;
  readonly tasks: number;
  readonly ttlMs: number;
  /** It begins amid faults: a backend that cannot be opened is tried again. */
  readonly patient: boolean;
}

/** A key that could not be acquired after the end of the run, or that is held by an owner that should be gone. */
export interface Orphan {
  readonly key: string;
  readonly why: string;
}
