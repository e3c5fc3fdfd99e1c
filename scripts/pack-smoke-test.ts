// `pnpm pack-smoke-test`: packs every published package, installs them into an empty project, and prints what they weigh there, what
// of all that is installed with them is deprecated, and what `npm audit` says of it. The exit code is 1 when it knows of a
// vulnerability; with `--require-audit`, as the release has it, also when the registry takes no such question.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Table from 'cli-table3';
import { deprecatedIn, readAudit } from './audit.ts';
import { installedKib, packedProject } from './packed-project.ts';

using project = await packedProject();
const { folder, packages, outputOf } = project;
const table = new Table({ head: ['package', 'KiB', 'needs at run time'], style: { head: [], border: [] } });
for (const { manifest } of packages) {
  table.push([manifest.name, installedKib(folder, manifest.name), Object.keys(manifest.dependencies ?? {}).join(', ')]);
}
console.log(table.toString());

const deprecated = deprecatedIn(readFileSync(join(folder, 'package-lock.json'), 'utf8'));
console.log(['deprecated packages:', ...(deprecated.length === 0 ? ['none'] : deprecated)].join('\n  '));

const audit = readAudit(await outputOf('npm', 'audit', '--omit=dev', '--json'));
if ('notChecked' in audit) {
  console.log(`npm audit: NOT CHECKED, it cannot be asked here (${audit.notChecked})`);
  if (process.argv.includes('--require-audit')) process.exitCode = 1;
} else if (audit.known === 0) {
  console.log('npm audit: nothing known');
} else {
  console.log(await outputOf('npm', 'audit', '--omit=dev'));
  process.exitCode = 1;
}
