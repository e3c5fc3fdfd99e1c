import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from './workspace.ts';

it('nothing in the repository has an export or a file that nobody uses', { timeout: 120_000 }, () => {
  const knip = spawnSync(join(root, 'node_modules/.bin/knip'), ['--no-config-hints'], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(`${knip.stdout}${knip.stderr}`.trim()).toBe('');
  expect(knip.status).toBe(0);
});
