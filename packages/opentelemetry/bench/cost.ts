// What the instrumentation costs: an uncontended acquire and release on memory, in processes that never load the package,
// that load it, that enable it without an SDK, and that enable it with one. Prints CPU time, and ratios to the first.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ways = ['absent', 'loaded', 'enabled, no SDK', 'enabled, SDK in memory'] as const;
type Way = (typeof ways)[number];

const way = process.argv[2] as Way | undefined;
if (way === undefined) await compare();
else process.stdout.write(String(await measure(way)));

/** CPU time of a pair of acquire and release in µs, the median of several runs: on a busy machine wall time says little. */
async function measure(measured: Way): Promise<number> {
  const { memoryAdapter } = await import('@holdfast/adapter-memory');
  const { createLocks } = await import('@holdfast/lock-core');
  if (measured !== 'absent') {
    const { holdfastInstrumentation } = await import('../src/index.ts');
    const instrumentation = holdfastInstrumentation();
    if (measured === 'enabled, SDK in memory') {
      const { MeterProvider } = await import('@opentelemetry/sdk-metrics');
      const { BasicTracerProvider } = await import('@opentelemetry/sdk-trace-base');
      instrumentation.setMeterProvider(new MeterProvider());
      instrumentation.setTracerProvider(new BasicTracerProvider());
    }
    if (measured !== 'loaded') instrumentation.enable();
  }
  const locks = createLocks(memoryAdapter());
  const costs: number[] = [];
  const pairs = 10_000;
  for (let run = 0; run < 6; run++) {
    const begin = process.cpuUsage();
    for (let i = 0; i < pairs; i++) await (await locks.acquire('k')).release();
    const { user, system } = process.cpuUsage(begin);
    costs.push((user + system) / pairs);
  }
  // The first runs warm up.
  return median(costs.slice(2));
}

/** Interleaved rounds, each way in a process of its own. */
async function compare(): Promise<void> {
  const costs = new Map<Way, number[]>(ways.map((name) => [name, []]));
  for (let round = 0; round < 3; round++) {
    for (const name of ways) {
      const args = [...process.execArgv, fileURLToPath(import.meta.url), name];
      const { stdout } = await promisify(execFile)(process.execPath, args);
      costs.get(name)?.push(Number(stdout));
    }
  }
  const base = median(costs.get('absent')!);
  for (const [name, all] of costs) {
    const cost = median(all);
    process.stdout.write(
      `${name.padEnd(24)} ${cost.toFixed(1).padStart(5)} µs, ${(cost / base).toFixed(2)} of it when absent\n`,
    );
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
