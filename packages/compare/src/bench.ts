// `pnpm bench`: measures, prints, and keeps the figures of the last run. Servers and subjects go when it ends, however it ends.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { thisMachine } from './machine.ts';
import { type BenchOptions, readOptions } from './options.ts';
import { progressLine } from './progress.ts';
import { print, printMachine, printSuite, printSummary } from './report.ts';
import { isMet, type Suite, type SuiteResult } from './suite.ts';
import { rivals } from './suites/competitors.ts';
import { etcd } from './suites/etcd.ts';
import { handover } from './suites/handover.ts';
import { memory } from './suites/memory.ts';
import { observation } from './suites/observation.ts';
import { redlock } from './suites/redlock.ts';
import { uncontended } from './suites/uncontended.ts';
import { watchdog } from './suites/watchdog.ts';
import { zookeeper } from './suites/zookeeper.ts';

const suites: Readonly<Record<string, Suite>> = {
  memory,
  observation,
  uncontended,
  rivals,
  handover,
  watchdog,
  etcd,
  zookeeper,
  redlock,
};

const usage = `Measures the locks on real servers against raw calls of the same client.

  pnpm bench                     everything, about 20 minutes
  pnpm bench --quick             shorter and noisier, about 5 minutes
  pnpm bench --only <parts>      of ${Object.keys(suites).join(', ')}, with commas
  pnpm bench --rounds <n>        how often each measurement is repeated
`;

process.exitCode = await main();

async function main(): Promise<number> {
  let options: BenchOptions | undefined;
  try {
    options = readOptions(process.argv.slice(2), Object.keys(suites));
  } catch (error) {
    print(`${(error as Error).message}\n\n${usage}`);
    return 1;
  }
  if (options === undefined) {
    print(usage);
    return 0;
  }
  const machine = thisMachine();
  printMachine(machine);
  const results: Record<string, SuiteResult> = {};
  for (const name of options.only) {
    const result = await run(name, options);
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
async function run(name: string, options: BenchOptions): Promise<SuiteResult> {
  const progress = progressLine(name);
  try {
    return await suites[name]!.run(options, progress);
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { server: '', tables: [], targets: [], failures: [text], rounds: {} };
  } finally {
    progress('');
  }
}

function save(results: object): string {
  const folder = fileURLToPath(new URL('../results', import.meta.url));
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'last.json');
  writeFileSync(file, `${JSON.stringify(results, undefined, 1)}\n`);
  return file;
}
