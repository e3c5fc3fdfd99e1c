import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Report } from '../packages/conformance/src/index.ts';
import { renderBadge } from '../packages/conformance/src/index.ts';
import { ownBackends } from '../scripts/own-backends.ts';
import { reportFolder, strayReports, withReportTable } from '../scripts/report-table.ts';
import { languages } from '../scripts/report-words.ts';
import { root } from './workspace.ts';

const reportOf = (name: string): Report => JSON.parse(readFileSync(join(reportFolder, `${name}.json`), 'utf8'));

it.each(languages)('the table of $file is that of the reports: pnpm reports', (words) => {
  const readme = readFileSync(join(root, words.file), 'utf8');
  expect(readme).toBe(withReportTable(readme, words));
});

it.each(ownBackends)('there is a report of $name, it conforms, and its badge is its own', ({ name }) => {
  const report = reportOf(name);
  expect(report).toMatchObject({ ok: true, complete: true });
  expect(readFileSync(join(reportFolder, `${name}.badge.json`), 'utf8')).toBe(renderBadge(report));
});

it('no report is of a backend that there is not', () => {
  expect(strayReports()).toEqual([]);
});
