import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Table from 'cli-table3';
import { findInChild } from '../packages/conformance/test/mutants/find-in-child.ts';
import { renderPage, rowsOf } from '../packages/conformance/test/mutants/page.ts';
import { root } from '../test/workspace.ts';
import { readArguments } from './usage.ts';

readArguments('pnpm mutants', {});

const findings = await findInChild(true, (done, of) => {
  if (process.stderr.isTTY) process.stderr.write(`\r${done} of ${of} adapters`);
});
if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');

const rows = rowsOf(findings);
for (const [group, rowsOfGroup] of rows) {
  const table = new Table({ head: [group, 'found by'], colWidths: [64, 40], wordWrap: true });
  for (const { bug, caughtBy, foundBy } of rowsOfGroup) {
    const others = foundBy.length - caughtBy.length;
    table.push([bug, `${caughtBy.join(' ')}${others > 0 ? ` and ${others} more` : ''}`]);
  }
  process.stdout.write(`${table}\n`);
}
const all = [...rows.values()].flat();
const missed = all.filter(({ caughtBy, foundBy }) => !caughtBy.every((id) => foundBy.includes(id)));
const wrongly = findings.right.filter(({ ok }) => !ok);
process.stdout.write(
  `${all.length - missed.length} of ${all.length} mutants found, ${findings.right.length - wrongly.length} of ${findings.right.length} right adapters passed\n`,
);
for (const { bug } of missed) process.stdout.write(`not found as expected: ${bug}\n`);
for (const { name } of wrongly) process.stdout.write(`failed, but is right: ${name}\n`);
writeFileSync(join(root, 'docs', 'mutants.md'), renderPage(findings));
process.exitCode = missed.length + wrongly.length > 0 ? 1 : 0;
