import { registerConformance } from '@holdfast/conformance/vitest';
import { type RedisGroup, startRedisNodes } from '@holdfast/testbed';
import { afterAll, beforeAll } from 'vitest';
import { redlockOver } from './support/nodes.ts';

let servers: RedisGroup;

beforeAll(async () => {
  servers = await startRedisNodes(5);
});

afterAll(() => servers?.stop());

const capabilities = {
  fencing: true,
  fairness: 'none',
  expiry: 'ttl',
  wakeup: 'push',
  survivesFailover: false,
  crossProcess: true,
  ttl: { minMs: 50, granularityMs: 1, maxOvershootMs: 100 },
} as const;

// 24 cases at once, each over some 15 connections, in one process: a short lease would be over before its turn comes.
const timing = { ttlMs: 1_200 };

registerConformance({
  name: 'redlock on 5 nodes, both clients mixed',
  adapter: () => redlockOver(servers.nodes),
  capabilities,
  timing,
});

registerConformance({
  name: 'redlock on 2 nodes',
  adapter: () => redlockOver(servers.nodes.slice(0, 2)),
  capabilities,
  timing,
});
