// `pnpm packed`: packs every published package, installs them into an empty project, and prints what they weigh there and
// what `npm audit` says of all that is installed with them. The exit code is 1 when it knows of a vulnerability.
import Table from 'cli-table3';
import { installedKib, packedProject } from './packed-project.ts';

using project = await packedProject();
const { folder, packages, run } = project;
const table = new Table({ head: ['package', 'KiB', 'needs at run time'], style: { head: [], border: [] } });
for (const { manifest } of packages) {
  table.push([manifest.name, installedKib(folder, manifest.name), Object.keys(manifest.dependencies ?? {}).join(', ')]);
}
console.log(table.toString());

try {
  await run('npm', 'audit', '--omit=dev');
  console.log('npm audit: nothing known.');
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
