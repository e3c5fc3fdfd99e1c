import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from './workspace.ts';

/** The packages that have no unused export today. */
const checked = ['holdfast', 'guards', 'opentelemetry', 'compare', 'lock-core', 'redis-protocol'].map(
  (name) => `packages/${name}`,
);

it('no package has an export or a file that nothing uses', { timeout: 120_000 }, () => {
  const workspaces = [...checked, '.'].flatMap((path) => ['--workspace', path]);
  const knip = spawnSync(join(root, 'node_modules/.bin/knip'), ['--no-config-hints', ...workspaces], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(`${knip.stdout}${knip.stderr}`.trim()).toBe('');
  expect(knip.status).toBe(0);
});
