import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Report } from '../packages/conformance/src/index.ts';
import { row } from '../packages/conformance/src/markdown.ts';
import type { StressReport } from '../packages/conformance/src/stress/index.ts';
import { root } from '../test/workspace.ts';
import { ownBackends } from './own-backends.ts';

export const reportFolder: string = join(root, 'docs', 'conformance');
export const readmeFile: string = join(root, 'README.md');

const begin = '<!-- reports: made by `pnpm reports` -->';
const end = '<!-- end of reports -->';

/** The README with the table of the reports that there are. @throws when it has no place for it */
export function withReportTable(readme: string): string {
  const [before, rest] = readme.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined)
    throw new Error(`The README needs a line ${begin} and a line ${end}.`);
  return `${before}${begin}\n${renderReportTable()}\n${end}${after}`;
}

/** A row for each adapter with a report. */
export function renderReportTable(): string {
  const rows = ownBackends.flatMap(({ name, title }) => {
    const report = read<Report>(`${name}.json`);
    return report === undefined ? [] : [rowOf(name, title, report, read<StressReport>(`stress-${name}.json`))];
  });
  return [
    row('', 'tested with', 'MUST', 'SHOULD', 'skipped', 'stress run'),
    row(...Array(6).fill('---')),
    ...rows,
  ].join('\n');
}

function rowOf(name: string, title: string, report: Report, stress: StressReport | undefined): string {
  const { client, server } = report.versions;
  const tested = [client, server].filter(Boolean).join(', ') || `Node ${report.node.slice(1)}`;
  const passed = (level: string) => {
    const ran = report.results.filter((result) => result.level === level && result.outcome !== 'skip');
    return `${ran.filter(({ outcome }) => outcome === 'pass').length} of ${ran.length}`;
  };
  return row(
    `[${title}](docs/conformance/${name}.md)`,
    tested,
    passed('MUST'),
    passed('SHOULD'),
    String(report.counts.skip),
    stress === undefined ? '' : `[${summaryOf(stress)}](docs/conformance/stress-${name}.md)`,
  );
}

function summaryOf({ ms, counts, violations, orphans, troubles }: StressReport): string {
  const minutes = Number((ms / 60_000).toFixed(1));
  const wrong = violations.length + orphans.length + troubles.length;
  return `${minutes} min, ${counts.granted.toLocaleString('en')} holds, ${wrong} wrong`;
}

function read<T>(name: string): T | undefined {
  const file = join(reportFolder, name);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as T) : undefined;
}

/** The reports of the folder that belong to no backend. */
export function strayReports(): string[] {
  const known = ownBackends.flatMap(({ name }) => [`${name}.json`, `${name}.badge.json`, `stress-${name}.json`]);
  return readdirSync(reportFolder).filter((name) => name.endsWith('.json') && !known.includes(name));
}
