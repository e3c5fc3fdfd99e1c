import { registerConformance } from '@holdfast/conformance/vitest';
import { startRedis, startRedisCluster, startRedisSentinel } from '@holdfast/testbed';
import { afterAll, beforeAll } from 'vitest';
import { type ClientKit, single, type Target, type TestClient } from './kit.ts';

/**
 * Runs the conformance suite for each client on one topology. `reuse` makes the adapters anew for each case, but over
 * clients that are used again: a Sentinel client of node-redis takes very long to connect.
 */
export function conformanceOn(
  kind: Target['kind'],
  kits: readonly ClientKit[],
  { reuse = false }: { reuse?: boolean } = {},
): void {
  let target: Target;
  let stop: () => Promise<void>;
  beforeAll(async () => {
    ({ target, stop } = await start(kind));
  });
  afterAll(() => stop?.());

  for (const kit of kits) {
    const idle: TestClient[] = [];
    afterAll(async () => {
      for (const client of idle) await client.close();
    });
    registerConformance({
      name: `${kit.name}, ${kind}`,
      async adapter() {
        const client = idle.pop() ?? kit.connect(target);
        const adapter = client.adapter();
        let used = true;
        return {
          ...adapter,
          async close() {
            await adapter.close?.();
            if (!reuse) await client.close();
            else if (used) idle.push(client);
            used = false;
          },
        };
      },
      capabilities: {
        fencing: true,
        fairness: 'none',
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
          const client = idle.pop() ?? kit.connect(target);
          const adapter = client.adapter();
          // Waits for the connection, which forcing does not.
          await adapter.inspect?.(key);
          await adapter.forceRelease?.(key);
          idle.push(client);
        },
      },
    });
  }
}

async function start(kind: Target['kind']): Promise<{ target: Target; stop: () => Promise<void> }> {
  if (kind === 'single') {
    const server = await startRedis();
    return { target: single(server), stop: () => server.stop() };
  }
  if (kind === 'cluster') {
    const cluster = await startRedisCluster();
    return { target: { kind, nodes: cluster.nodes }, stop: () => cluster.stop() };
  }
  const group = await startRedisSentinel();
  return { target: { kind, nodes: group.sentinels, masterName: group.masterName }, stop: () => group.stop() };
}
