import { execFile } from 'node:child_process';
import { cpSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../cli/support.ts';

const packages = fileURLToPath(new URL('../../..', import.meta.url));

it('without the suite, the error is the command that installs it, and 78', async () => {
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
  const run = promisify(execFile)(process.execPath, [main, 'conformance', 'memory:'], { cwd: folder.path, env });
  const failure = await run.then(
    () => undefined,
    (error: { code: number; stderr: string }) => error,
  );
  expect(failure?.stderr).toContain('npm install --save-dev @holdfast/conformance @holdfast/lock-core');
  expect(failure?.code).toBe(78);
});
