// `pnpm lint:packages`: packs every published package and asks publint and arethetypeswrong whether applications can import it. In one
// process: as commands, 13 packages would start npm and the TypeScript compiler 13 times each.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { packedProject } from './packed-project.ts';

/** How `require` and old resolvers see a package is not our business: ours are ESM only. */
const notOurs: readonly string[] = ['node10', 'node16-cjs'];

using project = await packedProject({ install: false });
const tarballs = join(project.folder, 'tarballs');
const files = readdirSync(tarballs);
for (const file of files) {
  const data = new Uint8Array(readFileSync(join(tarballs, file)));
  const { messages, pkg } = await publint({ pack: { tarball: data.buffer }, strict: true });
  const analysis = await checkPackage(createPackageFromTarballData(data));
  const wrong = analysis.types
    ? analysis.problems.filter((problem) => !('resolutionKind' in problem && notOurs.includes(problem.resolutionKind)))
    : [{ kind: 'there are no types' }];
  const found = [
    ...messages.map((message) => formatMessage(message, pkg, { color: false })),
    ...wrong.map((problem) => JSON.stringify(problem)),
  ];
  console.log([`${found.length === 0 ? '✓' : '✗'} ${file}`, ...found].join('\n  '));
  if (found.length > 0) process.exitCode = 1;
}
if (files.length !== project.packages.length) throw new Error(`${files.length} packages were packed`);
