import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, getPriority, loadavg } from 'node:os';
import { join } from 'node:path';
import { row } from '../packages/conformance/src/markdown.ts';
import type { OneRun } from './flake-check-of-one.ts';
import { ownBackends } from './own-backends.ts';
import { reportFolder } from './report-table.ts';

/** The last runs in a row on one backend. */
interface Kept {
  readonly date: string;
  /** The runs' nice value: below 0 they went before the other work of the machine. */
  readonly nice: number;
  /** The lowest and the highest load of the machine, at the ends of the runs. */
  readonly load: readonly [number, number];
  readonly machine: string;
  readonly runs: readonly OneRun[];
}

const file = join(reportFolder, 'flake-check.json');

/** Writes down the runs on one backend in place of its earlier ones; those of the others stay. */
export function keepRuns(name: string, runs: readonly OneRun[]): void {
  const kept: Record<string, Kept> = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  const load = Math.round(loadavg()[0] ?? 0);
  const [least, most] = runs.length === 1 ? [load, load] : (kept[name]?.load ?? [load, load]);
  kept[name] = {
    date: new Date().toISOString().slice(0, 10),
    nice: getPriority(),
    load: [Math.min(least, load), Math.max(most, load)],
    machine: `${availableParallelism()} cores (${cpus()[0]?.model.trim()})`,
    runs,
  };
  writeFileSync(file, `${JSON.stringify(kept, null, 2)}\n`);
  writeFileSync(join(reportFolder, 'flake-check.md'), renderFlakeCheck(kept));
}

function renderFlakeCheck(kept: Readonly<Record<string, Kept>>): string {
  const present = ownBackends.flatMap(({ name, title }) => (kept[name] ? [{ title, ...kept[name] }] : []));
  const head = ['', 'runs', 'with a failure', 'cases without a verdict', 'slowest run', 'load', 'nice', 'on'];
  return [
    '# The suite again and again',
    '',
    'Whole runs of the conformance suite, one after the other on servers of their own, without a retry: `pnpm flake-check`, on a machine that is kept busy',
    `(${[...new Set(present.map(({ machine }) => machine))].join('; ')}). A case that keeps a lease by timers comes to no verdict where the`,
    'machine stalled for a good part of that lease.',
    '',
    row(...head),
    row(...head.map(() => '---')),
    ...present.map(({ title, runs, load, nice, date }) =>
      row(
        title,
        String(runs.length),
        String(runs.filter(({ failures }) => failures.length > 0).length),
        String(runs.flatMap(({ undecided }) => undecided).length),
        `${(Math.max(...runs.map(({ ms }) => ms)) / 1_000).toFixed(0)} s`,
        `${load[0]} to ${load[1]}`,
        String(nice),
        date,
      ),
    ),
    ...present.flatMap(({ title, runs }) =>
      runs.flatMap(({ failures }, i) =>
        failures.map(
          ({ id, reason }) =>
            `\n${title}, run ${i + 1}, ${id}: ${reason.replaceAll('\n', ' ').replaceAll(/x{20,}/g, '…')}`,
        ),
      ),
    ),
    '',
  ].join('\n');
}
