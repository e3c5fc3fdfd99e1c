import { quantile } from '../stats.ts';
import type { Subject } from '../subjects/subject.ts';

/** Taking free locks and giving them back. */
export interface CycleFigures {
  readonly ops: number;
  readonly opsPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Of this process, for each operation. */
  readonly cpuUs: number;
  /** How long each took, sorted; only when asked for. */
  readonly latenciesMs?: Float64Array;
}

export interface CycleTask {
  /** How many at a time. */
  readonly inFlight: number;
  readonly forMs: number;
  /** The same name each time, instead of a thousand in turn. */
  readonly oneKey?: boolean;
  /** Answer how long each took, too. */
  readonly latencies?: boolean;
}

// Names come back now and then, as in an application, but never while they are in use.
const keys: readonly string[] = Array.from({ length: 1_000 }, (_, i) => `bench-${i}`);
let next = 0;

/** Acquires and releases uncontended locks for a time. */
export async function measureCycles(
  subject: Subject,
  { inFlight, forMs, oneKey = false, latencies = false }: CycleTask,
): Promise<CycleFigures> {
  const { cycle } = subject;
  if (cycle === undefined) throw new Error('This subject takes no free locks.');
  const took: number[] = [];
  const cpu = process.cpuUsage();
  const begin = performance.now();
  const end = begin + forMs;
  const loop = async (): Promise<void> => {
    let before = performance.now();
    while (before < end) {
      if (!oneKey) next = (next + 1) % keys.length;
      await cycle(keys[next]!);
      const after = performance.now();
      took.push(after - before);
      before = after;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
  const elapsedMs = performance.now() - begin;
  const { user, system } = process.cpuUsage(cpu);
  const sorted = Float64Array.from(took).sort();
  return {
    ops: took.length,
    opsPerSecond: took.length / (elapsedMs / 1_000),
    p50Us: quantile(sorted, 0.5) * 1_000,
    p99Us: quantile(sorted, 0.99) * 1_000,
    cpuUs: (user + system) / took.length,
    ...(latencies && { latenciesMs: sorted }),
  };
}
