import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { thisMachine } from './machine.ts';
import type { BenchOptions } from './options.ts';
import { type Progress, progressDisplay } from './progress.ts';
import { printMachine, printSuite, printSummary } from './report.ts';
import { isMet, type Suite, type SuiteResult } from './suite.ts';
import { rivals } from './suites/competitors.ts';
import { etcd } from './suites/etcd.ts';
import { handover } from './suites/handover.ts';
import { memory } from './suites/memory.ts';
import { modes } from './suites/modes.ts';
import { observation } from './suites/observation.ts';
import { postgres } from './suites/postgres.ts';
import { queue } from './suites/queue.ts';
import { redlock } from './suites/redlock.ts';
import { uncontended } from './suites/uncontended.ts';
import { watchdog } from './suites/watchdog.ts';
import { zookeeper } from './suites/zookeeper.ts';

export const suites: Readonly<Record<string, Suite>> = {
  memory,
  observation,
  uncontended,
  rivals,
  handover,
  modes,
  queue,
  watchdog,
  etcd,
  zookeeper,
  postgres,
  redlock,
};

/** Measures, prints, and keeps the figures of the last run. Gives the exit code. */
export async function bench(options: BenchOptions): Promise<number> {
  const machine = thisMachine();
  printMachine(machine);
  const results: Record<string, SuiteResult> = {};
  const display = progressDisplay(options.only.length);
  for (const name of options.only) {
    const result = await display.part(name, ({ note }) => run(name, options, note));
    results[name] = result;
    printSuite(suites[name]!.title, result);
  }
  const all = Object.values(results);
  const targets = all.flatMap((result) => result.targets);
  const failures = all.flatMap((result) => result.failures);
  const file = save({
    at: new Date().toISOString(),
    machine,
    options,
    targets: targets.map((target) => ({ ...target, met: isMet(target) })),
    failures,
    rounds: Object.fromEntries(Object.entries(results).map(([name, { server, rounds }]) => [name, { server, rounds }])),
  });
  printSummary(targets, failures, relative(process.env.INIT_CWD ?? process.cwd(), file));
  return failures.length === 0 ? 0 : 1;
}

/** A suite that breaks off does not take the others with it. */
async function run(name: string, options: BenchOptions, progress: Progress): Promise<SuiteResult> {
  try {
    return await suites[name]!.run(options, progress);
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { server: '', tables: [], targets: [], failures: [text], rounds: {} };
  }
}

function save(results: object): string {
  const folder = fileURLToPath(new URL('../results', import.meta.url));
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'last.json');
  writeFileSync(file, `${JSON.stringify(results, undefined, 1)}\n`);
  return file;
}
