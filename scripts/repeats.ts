// The suite again and again: `pnpm repeats`, `pnpm repeats --runs 3 etcd redlock`. Ten times on each backend of ours with
// servers, fifty on memory, the backends side by side, so that the machine is loaded.
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type OwnBackend, ownBackends } from './own-backends.ts';
import { ownSuite } from './own-suite.ts';
import { reportFolder } from './report-table.ts';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { runs: { type: 'string' } } });
const chosen = ownBackends.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
const loads: number[] = [];
const rows = await Promise.all(chosen.map(repeat));
writeFileSync(join(reportFolder, 'repeats.md'), page());
process.exitCode = rows.every(({ flakes }) => flakes.length === 0) ? 0 : 1;

async function repeat(backend: OwnBackend) {
  const runs = Number(values.runs ?? (backend.name === 'memory' ? 50 : 10));
  const flakes: string[] = [];
  const seconds: number[] = [];
  for (let run = 1; run <= runs; run += 1) {
    const { counts, results, ms } = await ownSuite(backend);
    const failed = results.filter(({ outcome }) => outcome === 'fail');
    for (const { id, reason } of failed) flakes.push(`run ${run}, ${id}: ${reason}`);
    seconds.push(ms / 1_000);
    loads.push(loadavg()[0] ?? 0);
    console.log(
      `${failed.length === 0 ? '✓' : '✗'} ${backend.title}, run ${run} of ${runs}: ${JSON.stringify(counts)}`,
    );
    for (const { id, reason } of failed) console.log(`    ${id} ${reason}`);
  }
  return { title: backend.title, runs, flakes, slowest: Math.max(...seconds) };
}

function page(): string {
  const date = new Date().toISOString().slice(0, 10);
  const load = `${Math.min(...loads).toFixed(0)} to ${Math.max(...loads).toFixed(0)}`;
  return [
    '# The suite again and again',
    '',
    `\`pnpm repeats\`, ${date}: all of these ran side by side on ${availableParallelism()} cores (${cpus()[0]?.model.trim()}), at a load of ${load}.`,
    '',
    '| backend | runs | runs with a failure | slowest run |',
    '|---|---|---|---|',
    ...rows.map(({ title, runs, flakes, slowest }) => {
      const failing = new Set(flakes.map((flake) => flake.split(',')[0])).size;
      return `| ${title} | ${runs} | ${failing} | ${slowest.toFixed(0)} s |`;
    }),
    '',
    ...rows.flatMap(({ title, flakes }) => flakes.map((flake) => `- ${title}, ${flake.replaceAll('\n', ' ')}`)),
  ]
    .join('\n')
    .trimEnd()
    .concat('\n');
}
