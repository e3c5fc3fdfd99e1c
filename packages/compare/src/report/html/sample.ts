import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { capacityPage } from '../../capacity/page.ts';
import { print } from '../../report.ts';
import { dateOf } from '../date.ts';
import { type Report, schemaVersion } from '../schema.ts';
import { withFigures } from './choosing.ts';
import { writeHtmlReport } from './index.ts';

// `pnpm --filter @holdfast/compare sample [report.json]`: makes a run, the last one unless said, the one that the documentation shows.
const file = process.argv[2] ?? join(import.meta.dirname, '..', '..', '..', 'results', 'report.json');
const docs = join(import.meta.dirname, '..', '..', '..', '..', '..', 'docs');
const sample = join(docs, 'comparison');
const choosing = join(docs, 'choosing-a-backend.md');

const report = JSON.parse(readFileSync(file, 'utf8')) as Report;
if (report.schema !== schemaVersion) throw new Error(`${file} is of another version: run pnpm compare first.`);
mkdirSync(sample, { recursive: true });
writeFileSync(join(sample, 'report.json'), `${JSON.stringify(report, null, 1)}\n`);
writeHtmlReport(report, join(sample, 'report.html'));
writeFileSync(join(docs, 'capacity.md'), capacityPage(report));
writeFileSync(choosing, withFigures(readFileSync(choosing, 'utf8'), report));
print(`docs/ shows the ${report.mode} run of ${dateOf(report)}.`);
