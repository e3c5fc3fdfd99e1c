import { registerConformance } from '@holdfast/conformance/vitest';
import { memoryAdapter, memoryStore } from '../src/index.ts';

// Every adapter of a flavour shares its store, as clients share a server.
for (const fairness of ['fifo', 'none'] as const) {
  const store = memoryStore();
  registerConformance({
    name: `memory, fairness ${fairness}`,
    adapter: async () => memoryAdapter({ store, fairness }),
    capabilities: {
      fencing: true,
      fairness,
      expiry: 'ttl',
      wakeup: 'push',
      survivesFailover: true,
      crossProcess: false,
      ttl: { minMs: 1, granularityMs: 1, maxOvershootMs: 10 },
    },
    hooks: {
      revoke: async (key) => void (await memoryAdapter({ store }).forceRelease?.(key)),
    },
  });
}
