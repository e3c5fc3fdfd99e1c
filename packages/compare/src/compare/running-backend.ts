import type { Backend } from '../report/schema.ts';
import type { SubjectSpec } from '../subjects/subject.ts';

/** A backend whose servers run. */
export interface RunningBackend extends Backend {
  readonly holdfast: SubjectSpec;
  readonly raw: { readonly spec: SubjectSpec; readonly what: string } | undefined;
  /** How many processes may compete for one key; 1 for the memory of a process. */
  readonly maxProcesses: number;
  /** What all servers together have done so far; `undefined` where there is none. */
  readonly meter: ServerMeter | undefined;
  stop(): Promise<void>;
}

export interface ServerMeter {
  /** Requests that clients have sent, pings too. */
  requests(): Promise<number>;
  cpuSeconds(): Promise<number>;
  /** Memory for what is stored, by the best figure that the server has; see `memoryMeans`. */
  bytes(): Promise<number>;
}

/** What `bytes` is. */
export const memoryMeans =
  'Redis: used_memory; etcd: resident memory of the process; ZooKeeper: its approximate data size, without what Java needs for it; PostgreSQL: its tables and indexes.';
