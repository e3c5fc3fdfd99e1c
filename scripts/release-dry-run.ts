// `pnpm release:dry-run`: what a release would do, without doing it. Every package is packed, and npm is asked to publish it with
// the flags of the release, but not to. It ends with 1 if npm refuses one, or would correct something in its manifest.
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packedProject } from './packed-project.ts';

const execute = promisify(execFile);
using project = await packedProject({ install: false });
const tarballs = join(project.folder, 'tarballs');
for (const tarball of readdirSync(tarballs)) {
  const args = ['publish', '--dry-run', '--provenance', '--access', 'public', `./${tarball}`];
  try {
    const { stderr } = await execute('npm', args, { cwd: tarballs });
    const corrected = /auto-corrected|errors corrected/.test(stderr);
    if (corrected) process.exitCode = 1;
    console.log(`${corrected ? '✗' : '✓'} ${tarball}${corrected ? `\n${stderr}` : ''}`);
  } catch (error) {
    process.exitCode = 1;
    console.log(`✗ ${tarball}\n${(error as { stderr: string }).stderr}`);
  }
}
