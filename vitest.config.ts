import { readFileSync } from 'node:fs';
import { configDefaults, defineConfig } from 'vitest/config';
import { nightlyFiles, SlowFirst } from './test/slow-first.ts';

// As in the build, a `.lua` import is its text.
const luaText = {
  name: 'lua-text',
  load: (id: string) =>
    id.endsWith('.lua') ? `export default ${JSON.stringify(readFileSync(id, 'utf8'))}` : undefined,
};

export default defineConfig({
  plugins: [luaText],
  test: {
    include: ['test/**/*.test.ts', 'packages/*/test/**/*.test.ts', 'examples/*/test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, ...(process.env.HOLDFAST_TEST_ALL ? [] : nightlyFiles)],
    // Many tests wait for real leases to end: only what is slower than that is worth a line.
    slowTestThreshold: 20_000,
    testTimeout: 30_000,
    hookTimeout: 120_000,
    // Tests wait more than they compute: with as many as the 2 cores that are assumed, those would be idle half of the time.
    maxWorkers: 6,
    pool: 'forks',
    sequence: { sequencer: SlowFirst },
  },
});
