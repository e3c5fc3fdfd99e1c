import { execFile } from 'node:child_process';
import { cpSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../cli/support.ts';

const packages = fileURLToPath(new URL('../../..', import.meta.url));

it('without the suite, or the comparison, the error is how to get it, and 78', async () => {
  using folder = temporaryFolder();
  for (const [name, as] of [
    ['holdfast', 'holdfast'],
    ['lock-core', '@holdfast/lock-core'],
    ['adapter-memory', '@holdfast/adapter-memory'],
  ] as const) {
    for (const part of ['dist', 'package.json']) {
      cpSync(join(packages, name, part), folder.file(join('node_modules', as, part)), { recursive: true });
    }
  }
  const commander = realpathSync(join(packages, 'holdfast', 'node_modules', 'commander'));
  cpSync(commander, folder.file('node_modules/commander'), { recursive: true });
  writeFileSync(folder.file('package.json'), '{ "type": "module" }');

  const main = folder.file('node_modules/holdfast/dist/cli/main.js');
  // pnpm tells its programs of packages by NODE_PATH.
  const env = { ...process.env, NODE_PATH: '' };
  const failureOf = (...args: string[]): Promise<{ code: number; stderr: string } | undefined> =>
    promisify(execFile)(process.execPath, [main, ...args], { cwd: folder.path, env }).then(
      () => undefined,
      (error) => error,
    );
  expect(await failureOf('conformance', 'memory:')).toMatchObject({
    stderr: expect.stringContaining('npm install --save-dev @holdfast/conformance @holdfast/lock-core'),
    code: 78,
  });
  // Nor is the comparison found there, which is said in the same way.
  expect(await failureOf('compare', '--quick')).toMatchObject({
    stderr: expect.stringMatching(/^holdfast: The comparison is not installed here\. .*`pnpm compare`.*\n$/),
    code: 78,
  });
});
