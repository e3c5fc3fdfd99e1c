import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import colors from 'picocolors';
import { thisMachine } from '../machine.ts';
import type { CompareOptions } from '../options.ts';
import { clockTime } from '../progress.ts';
import { writeHtmlReport } from '../report/html/index.ts';
import type { Report } from '../report/schema.ts';
import { print, printMachine, printTable } from '../report.ts';
import { runComparison } from './run.ts';
import { tablesOf } from './tables.ts';

const folder = fileURLToPath(new URL('../../results', import.meta.url));

/** Measures, prints tables, and writes the report. Gives the exit code. */
export async function compare(options: CompareOptions): Promise<number> {
  printMachine(thisMachine());
  const report = await runComparison(options);
  mkdirSync(folder, { recursive: true });
  const [json, html] = [join(folder, 'report.json'), join(folder, 'report.html')];
  writeFileSync(json, `${JSON.stringify(report, undefined, 1)}\n`);
  await writeHtmlReport(report, html);
  printReport(report);
  const shown = (file: string): string => relative(process.env.INIT_CWD ?? process.cwd(), file);
  print(`\n${clockTime(report.tookMs)} min; ${shown(json)}; open ${shown(html)} in a browser`);
  return report.failures.length === 0 ? 0 : 1;
}

function printReport(report: Report): void {
  for (const { title, client, server } of report.backends) print(colors.dim(`${title}: ${client}; ${server}`));
  for (const table of tablesOf(report)) {
    print('');
    printTable(table);
  }
  for (const { part, backend, what, why } of report.notMeasured) {
    print(colors.yellow(`not measured: ${[part, backend, what].filter((name) => name !== null).join(', ')}: ${why}`));
  }
  for (const failure of report.failures) print(colors.red(`FAILED: ${failure}`));
}
