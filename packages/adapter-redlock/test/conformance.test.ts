import { registerConformance } from '@holdfast/conformance/vitest';
import { type RedisGroup, startRedisNodes } from '@holdfast/testbed';
import { afterAll, beforeAll, vi } from 'vitest';
import { redlockOver } from './support/nodes.ts';

let servers: RedisGroup;

beforeAll(async () => {
  servers = await startRedisNodes(5);
});

afterAll(() => servers?.stop());

registerConformance({
  name: 'redlock on 5 nodes, both clients mixed',
  adapter: () => redlockOver(servers.nodes),
  capabilities: {
    fencing: true,
    fairness: 'none',
    expiry: 'ttl',
    wakeup: 'push',
    survivesFailover: false,
    crossProcess: true,
    ttl: { minMs: 50, granularityMs: 1, maxOvershootMs: 100 },
  },
  timing: { ttlMs: 1_000 },
});

// Each case has some 20 connections of its own in this process; of more at once, a short lease would be over before its turn.
vi.setConfig({ maxConcurrency: 8 });
