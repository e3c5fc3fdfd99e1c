import Table3 from 'cli-table3';
import colors from 'picocolors';
import { figure, spreadText } from './format.ts';
import type { Machine } from './machine.ts';
import { isClear, isMet, type SuiteResult, type Table, type Target } from './suite.ts';

// Colours only where they mean something, and no line between rows.
const plain = { head: [], border: [], compact: true };

/** Writes for people, on standard output. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function printMachine({ cpu, memory, system, node, load, clients }: Machine): void {
  print(`${cpu}, ${memory}, ${system}, Node ${node}`);
  print(
    Object.entries(clients)
      .map(([name, version]) => `${name} ${version}`)
      .join(', '),
  );
  if (load > 0.5) {
    print(colors.yellow(`Other work runs here (load ${figure(load)}): trust the ratios more than the figures.`));
  }
}

export function printSuite(title: string, { server, tables, targets, failures }: SuiteResult): void {
  print(`\n${colors.bold(title)}`);
  if (server !== '') print(server);
  for (const table of tables) printTable(table);
  if (targets.length > 0) printTargets(targets);
  for (const failure of failures) print(colors.red(`FAILED: ${failure}`));
}

/** A table with its title above. */
export function printTable({ title, head, rows }: Table): void {
  const table = new Table3({ head: [...head], style: plain, colAligns: aligned(head.length) });
  for (const row of rows) table.push([...row]);
  print(`${colors.dim(title)}\n${table}`);
}

function printTargets(targets: readonly Target[]): void {
  const table = new Table3({
    head: ['target', 'limit', 'measured', ''],
    style: plain,
    colAligns: ['left', 'right', 'right', 'left'],
  });
  for (const target of targets) {
    const { what, value, limit, better, unit } = target;
    const end = unit === '' ? '' : ` ${unit}`;
    table.push([what, `${better === 'more' ? '≥' : '≤'} ${limit}${end}`, spreadText(value) + end, verdict(target)]);
  }
  print(String(table));
}

export function printSummary(all: readonly Target[], failures: readonly string[], file: string): void {
  const met = all.filter(isMet).length;
  print(`\n${met} of ${all.length} targets met; results in ${file}`);
  if (failures.length > 0) print(colors.red(`${failures.length} failed: the figures above are not to be trusted.`));
}

function verdict(target: Target): string {
  const word = isMet(target) ? colors.green('met') : colors.red('not met');
  return isClear(target) ? word : `${word}, unsure`;
}

function aligned(columns: number): ('left' | 'right')[] {
  return Array.from({ length: columns }, (_, i) => (i === 0 ? 'left' : 'right'));
}
