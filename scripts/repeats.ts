// The suite again and again: `pnpm repeats`, `pnpm repeats --runs 3 etcd redlock`. Ten times on each backend of ours with
// servers, fifty on memory; the backends side by side, each in a process of its own, so that the machine is loaded.
import { fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ownBackends } from './own-backends.ts';
import type { Repeats } from './repeats-of-one.ts';
import { reportFolder } from './report-table.ts';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { runs: { type: 'string' } } });
const chosen = ownBackends.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
const program = fileURLToPath(new URL('./repeats-of-one.ts', import.meta.url));
const loads: number[] = [];
const watching = setInterval(() => loads.push(loadavg()[0] ?? 0), 5_000);
const rows = await Promise.all(chosen.map(({ name }) => repeat(name)));
clearInterval(watching);
writeFileSync(join(reportFolder, 'repeats.md'), page());
process.exitCode = rows.every(({ failures }) => failures.length === 0) ? 0 : 1;

function repeat(name: string): Promise<Repeats> {
  const runs = values.runs ?? (name === 'memory' ? '50' : '10');
  const child = fork(program, [name, runs], { execArgv: ['--import', 'tsx'] });
  return new Promise((resolve, reject) => {
    child.once('message', (repeats: Repeats) => resolve(repeats));
    child.once('exit', (code, signal) => reject(new Error(`The runs on ${name} ended (${signal ?? code}).`)));
  });
}

function page(): string {
  const date = new Date().toISOString().slice(0, 10);
  const load = `${Math.min(...loads).toFixed(0)} to ${Math.max(...loads).toFixed(0)}`;
  const machine = `${availableParallelism()} cores (${cpus()[0]?.model.trim()})`;
  return [
    '# The suite again and again',
    '',
    `\`pnpm repeats\`, ${date}: all of these ran side by side on ${machine}, at a load of ${load}.`,
    '',
    '| backend | runs | runs with a failure | slowest run |',
    '|---|---|---|---|',
    ...rows.map(({ title, runs, failures, slowestMs }) => {
      const failing = new Set(failures.map(({ run }) => run)).size;
      return `| ${title} | ${runs} | ${failing} | ${(slowestMs / 1_000).toFixed(0)} s |`;
    }),
    '',
    ...rows.flatMap(({ title, failures }) =>
      failures.map(({ run, id, reason }) => `- ${title}, run ${run}, ${id}: ${reason.replaceAll('\n', ' ')}`),
    ),
  ]
    .join('\n')
    .trimEnd()
    .concat('\n');
}
