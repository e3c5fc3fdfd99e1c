// The reports of our own adapters: `pnpm reports`, or `pnpm reports etcd redlock` for some.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeBadge } from 'badge-maker';
import { type Report, renderBadge, renderJson, renderMarkdown } from '../packages/conformance/src/index.ts';
import { ownBackends } from './own-backends.ts';
import { ownSuite } from './own-suite.ts';
import { reportFolder, writeReportTables } from './report-table.ts';
import { checkNames, readArguments } from './usage.ts';

const usage = 'pnpm reports [name …]';
const { positionals: wanted } = readArguments(usage, { allowPositionals: true });
checkNames(
  usage,
  wanted,
  ownBackends.map(({ name }) => name),
);
mkdirSync(reportFolder, { recursive: true });
for (const backend of ownBackends) {
  if (wanted.length > 0 && !wanted.includes(backend.name)) continue;
  const report = await ownSuite(backend);
  write(backend.name, report);
  const { ok, counts, results, ms } = report;
  console.log(`${ok ? '✓' : '✗'} ${backend.title}: ${JSON.stringify(counts)} in ${(ms / 1_000).toFixed(1)} s`);
  for (const { id, outcome, reason } of results) if (outcome === 'fail') console.log(`    ${id} ${reason}`);
  if (!ok) process.exitCode = 1;
}
writeReportTables();

function write(name: string, report: Report): void {
  const badge = renderBadge(report);
  const { label, message, color } = JSON.parse(badge) as { label: string; message: string; color: string };
  const files = {
    [`${name}.md`]: renderMarkdown(report, '../../CONTRACT.md'),
    [`${name}.json`]: renderJson(report),
    [`${name}.badge.json`]: badge,
    [`${name}.svg`]: makeBadge({ label, message, color }),
  };
  for (const [file, text] of Object.entries(files)) writeFileSync(join(reportFolder, file), text);
}
