import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { registerConformance } from '@holdfast/conformance/vitest';
import { afterAll } from 'vitest';
import { folderAdapter } from '../src/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-folder-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

registerConformance({
  name: 'folder',
  adapter: async () => folderAdapter({ folder }),
  process: () => ({
    module: new URL('./open-adapter.ts', import.meta.url),
    options: { folder },
    execArgv: ['--import', import.meta.resolve('tsx')],
  }),
  capabilities: {
    fencing: true,
    fairness: 'none',
    expiry: 'ttl',
    wakeup: 'poll',
    survivesFailover: false,
    crossProcess: true,
    ttl: { minMs: 1, granularityMs: 1, maxOvershootMs: 50 },
  },
  // Patience for a busy machine: everybody reads and writes files.
  timing: { graceMs: 5_000 },
  hooks: {
    revoke: async (key) => void (await folderAdapter({ folder }).forceRelease?.(key)),
  },
});
