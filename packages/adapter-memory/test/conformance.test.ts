import { registerConformance } from '@holdfast/conformance/vitest';
import { systemClock } from '@holdfast/lock-core';
import { memoryAdapter, memoryStore } from '../src/index.ts';

// Every adapter of a flavour shares its store, as clients share a server.
for (const fairness of ['fifo', 'none'] as const) {
  const store = memoryStore();
  let aheadMs = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + aheadMs };
  registerConformance({
    name: `memory, fairness ${fairness}`,
    adapter: async () => memoryAdapter({ store, fairness, clock }),
    process: () => ({
      module: new URL('./support/open-adapter.ts', import.meta.url),
      execArgv: ['--import', 'tsx'],
    }),
    capabilities: {
      fencing: true,
      fairness,
      expiry: 'ttl',
      wakeup: 'push',
      survivesFailover: true,
      crossProcess: false,
      shared: fairness === 'fifo',
      permits: fairness === 'fifo',
      ttl: { minMs: 1, granularityMs: 1, maxOvershootMs: 10 },
    },
    hooks: {
      revoke: async (key) => void (await memoryAdapter({ store }).forceRelease?.(key)),
      advance: async (ms) => {
        aheadMs += ms;
      },
    },
  });
}
