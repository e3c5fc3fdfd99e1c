import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Report } from '../packages/conformance/src/index.ts';
import { row } from '../packages/conformance/src/markdown.ts';
import type { StressReport } from '../packages/conformance/src/stress/index.ts';
import { root } from '../test/workspace.ts';
import { ownBackends } from './own-backends.ts';
import { languages, type Words } from './report-words.ts';

export const reportFolder: string = join(root, 'docs', 'conformance');

const begin = '<!-- reports: made by `pnpm reports` -->';
const end = '<!-- end of reports -->';

/** Puts the table of the reports into their page in each language. */
export function writeReportTables(): void {
  for (const words of languages) {
    const file = join(root, words.file);
    writeFileSync(file, withReportTable(readFileSync(file, 'utf8'), words));
  }
}

/** The page with the table of the reports that there are. @throws when it has no place for it */
export function withReportTable(page: string, words: Words): string {
  const [before, rest] = page.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined)
    throw new Error(`${words.file} needs a line ${begin} and a line ${end}.`);
  return `${before}${begin}\n${renderReportTable(words)}\n${end}${after}`;
}

/** A row for each adapter with a report. */
export function renderReportTable(words: Words): string {
  const rows = ownBackends.flatMap(({ name, title }) => {
    const report = read<Report>(`${name}.json`);
    const stress = read<StressReport>(`stress-${name}.json`);
    return report === undefined ? [] : [rowOf(words, name, title, report, stress)];
  });
  return [row(...words.head), row(...words.head.map(() => '---')), ...rows].join('\n');
}

function rowOf(words: Words, name: string, title: string, report: Report, stress: StressReport | undefined): string {
  const { client, server } = report.versions;
  const tested = [client, server].filter(Boolean).join(', ') || `Node ${report.node.slice(1)}`;
  const passed = (level: string) => {
    const ran = report.results.filter((result) => result.level === level && result.outcome !== 'skip');
    return words.passed(ran.filter(({ outcome }) => outcome === 'pass').length, ran.length);
  };
  return row(
    `[${words.title(title)}](${name}.md)`,
    tested,
    passed('MUST'),
    passed('SHOULD'),
    String(report.counts.skip),
    stress === undefined ? '' : `[${summaryOf(words, stress)}](stress-${name}.md)`,
  );
}

function summaryOf(words: Words, { ms, counts, violations, orphans, troubles }: StressReport): string {
  const minutes = Number((ms / 60_000).toFixed(1));
  const wrong = violations.length + orphans.length + troubles.length;
  return words.stress(minutes, counts.granted.toLocaleString('en'), wrong);
}

function read<T>(name: string): T | undefined {
  const file = join(reportFolder, name);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as T) : undefined;
}

/** The reports of the folder that belong to no backend. */
export function strayReports(): string[] {
  const known = ownBackends.flatMap(({ name }) => [`${name}.json`, `${name}.badge.json`, `stress-${name}.json`]);
  const ours = [...known, 'flake-check.json'];
  return readdirSync(reportFolder).filter((name) => name.endsWith('.json') && !ours.includes(name));
}
