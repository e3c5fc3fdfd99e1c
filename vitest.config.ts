import { readFileSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

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
    // Many tests wait for real leases to end: only what is slower than that is worth a line.
    slowTestThreshold: 20_000,
    testTimeout: 30_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    pool: 'forks',
  },
});
