import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Subject } from '../subjects/subject.ts';
import { openConnections } from './connections.ts';
import { type HoldTask, holdMany } from './holding.ts';

/** What taking many locks took. */
export interface ScaleFigures {
  readonly acquireMs: number;
  /** Heap and buffers that they need, without garbage. */
  readonly bytes: number;
  /** Of this process to all servers. */
  readonly connections: number;
}

/** CPU and event loop of this process while it only keeps what it holds. */
export interface KeepFigures {
  readonly cpuSeconds: number;
  /** How much later than due a timer ran, at the 99th percentile. */
  readonly lagP99Ms: number;
}

const resolutionMs = 10;

/** Takes many locks and keeps them until `letGoOfAll`. */
export async function measureScale(subject: Subject, task: HoldTask): Promise<ScaleFigures> {
  const before = bytesInUse();
  const begin = performance.now();
  await holdMany(subject, task);
  const acquireMs = performance.now() - begin;
  return { acquireMs, bytes: bytesInUse() - before, connections: openConnections() };
}

/** Measures this process for a time. */
export async function measureKeeping(forMs: number): Promise<KeepFigures> {
  const delays = monitorEventLoopDelay({ resolution: resolutionMs });
  const cpu = process.cpuUsage();
  delays.enable();
  await sleep(forMs);
  delays.disable();
  const { user, system } = process.cpuUsage(cpu);
  // Its figures include the time that its own timer sleeps.
  const lagP99Ms = Math.max(0, delays.percentile(99) / 1e6 - resolutionMs);
  return { cpuSeconds: (user + system) / 1e6, lagP99Ms };
}

function bytesInUse(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
