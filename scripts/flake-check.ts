// The suite again and again: `pnpm flake-check`, `pnpm flake-check --runs 3 etcd redlock`. Ten times on each backend of ours with
// servers, fifty on memory; the backends side by side, each in a process of its own, so that the machine is loaded.
import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { OneRun } from './flake-check-of-one.ts';
import { keepRuns } from './flake-check-page.ts';
import { ownBackends } from './own-backends.ts';
import { checkNames, readArguments, wrongUsage } from './usage.ts';

const usage = 'pnpm flake-check [--runs <n>] [name …]';
const { values, positionals } = readArguments(usage, { allowPositionals: true, options: { runs: { type: 'string' } } });
if (values.runs !== undefined && !/^[1-9]\d*$/.test(values.runs))
  wrongUsage(usage, `--runs is a whole number above 0, not ${values.runs}.`);
checkNames(
  usage,
  positionals,
  ownBackends.map(({ name }) => name),
);
const chosen = ownBackends.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
const program = fileURLToPath(new URL('./flake-check-of-one.ts', import.meta.url));
// Few backends leave the cores time to spare.
const idle = Math.max(0, 2 * availableParallelism() - chosen.length);
const loops = Array.from({ length: idle }, () => new Worker('for (;;);', { eval: true }));
const went = await Promise.all(chosen.map(({ name }) => repeat(name)));
for (const loop of loops) await loop.terminate();
process.exitCode = went.every(Boolean) ? 0 : 1;

/** The runs on one backend, each kept as soon as it is over; whether all of them came, without a failure. */
function repeat(name: string): Promise<boolean> {
  const wanted = Number(values.runs ?? (name === 'memory' ? 50 : 10));
  const child = fork(program, [name, String(wanted)], { execArgv: ['--import', 'tsx'] });
  const runs: OneRun[] = [];
  child.on('message', (run: OneRun) => {
    runs.push(run);
    keepRuns(name, runs);
  });
  return new Promise((resolve) => {
    child.once('close', (code, signal) => {
      if (runs.length < wanted) console.error(`The runs on ${name} ended after ${runs.length} (${signal ?? code}).`);
      resolve(runs.length === wanted && runs.every(({ failures }) => failures.length === 0));
    });
  });
}
