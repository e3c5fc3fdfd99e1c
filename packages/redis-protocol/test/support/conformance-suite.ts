import { registerConformance } from '@holdfast/conformance/vitest';
import { afterAll, beforeAll, vi } from 'vitest';
import type { ClientKit, Target, TestClient } from './kit.ts';
import { startTopology, type Topology } from './topologies.ts';

/**
 * Runs the conformance suite on one topology: with the newest major of the client, the first of `kits`, or with every major
 * under `npm run test:all`. What depends on the major is in the other suites, which always run both. `reuse` makes the adapters anew for each case, but over
 * clients that are used again: a Sentinel client of node-redis takes very long to connect.
 */
export function conformanceOn(
  kind: Target['kind'],
  kits: readonly ClientKit[],
  { reuse = false }: { reuse?: boolean } = {},
): void {
  let topology: Topology;
  beforeAll(async () => {
    topology = await startTopology(kind);
  });
  afterAll(() => topology?.stop());

  for (const kit of process.env.HOLDFAST_TEST_ALL ? kits : kits.slice(0, 1)) {
    const idle: TestClient[] = [];
    afterAll(async () => {
      for (const client of idle) await client.close();
    });
    registerConformance({
      name: `${kit.name}, ${kind}`,
      async adapter(at) {
        const client = at
          ? kit.connect(topology.at!(at))
          : ((reuse ? idle.pop() : undefined) ?? kit.connect(topology.target));
        const adapter = client.adapter();
        let used = true;
        return {
          ...adapter,
          async close() {
            await adapter.close?.();
            if (!reuse || at) await client.close();
            else if (used) idle.push(client);
            used = false;
          },
        };
      },
      // Sentinels name the master by its own address, past any proxy.
      ...(kind === 'sentinel' ? {} : { servers: () => topology.servers }),
      process: () => ({
        module: new URL('./open-kit.ts', import.meta.url),
        options: { file: kit.file, name: kit.name, target: topology.target },
        execArgv: ['--import', 'tsx'],
      }),
      capabilities: {
        fencing: true,
        fairness: 'fifo',
        shared: true,
        permits: true,
        expiry: 'ttl',
        wakeup: 'push',
        survivesFailover: false,
        crossProcess: true,
        ttl: { minMs: 1, granularityMs: 1, maxOvershootMs: 50 },
      },
      // Patience for a busy machine: many clients connect at once.
      timing: { leaseMs: 2_400, graceMs: 5_000 },
      hooks: {
        async revoke(key) {
          const client = idle.pop() ?? kit.connect(topology.target);
          const adapter = client.adapter();
          // Waits for the connection, which forcing does not.
          await adapter.inspect?.(key);
          await adapter.forceRelease?.(key);
          idle.push(client);
        },
        ...(kind === 'sentinel'
          ? { failover: () => topology.hooks.failover!() }
          : { freeze: () => topology.hooks.freeze!(), restart: () => topology.hooks.restart!() }),
      },
    });
  }
  // More servers share the machine with the cases; and a Sentinel client of node-redis sends one command at a time, so that on a
  // starved machine a case with many of them is the slower the more cases run beside it.
  if (kind !== 'single') vi.setConfig({ maxConcurrency: 12 });
}
