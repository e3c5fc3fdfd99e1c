import { createRequire } from 'node:module';
import { registerConformance } from '@holdfast/conformance/vitest';
import { type RedisGroup, startRedisNodes } from '@holdfast/testbed';
import { afterAll, beforeAll, vi } from 'vitest';
import { redlockOver } from './nodes.ts';

const load = createRequire(import.meta.url);
const versionOf = (manifest: string): string => load(manifest).version;

/** Runs the suite over Redlock on so many nodes, which it starts. */
export function conformanceOnNodes(count: number): void {
  let servers: RedisGroup;

  beforeAll(async () => {
    servers = await startRedisNodes(count);
  });

  afterAll(() => servers?.stop());

  registerConformance({
    name: `redlock on ${count} nodes, both clients mixed`,
    adapter: (at) => redlockOver(at ?? servers.nodes),
    servers: () => servers.nodes,
    process: () => ({
      module: new URL('./open-adapter.ts', import.meta.url),
      options: { nodes: servers.nodes.map(({ host, port }) => ({ host, port })) },
      execArgv: ['--import', 'tsx'],
    }),
    capabilities: {
      fencing: true,
      fairness: 'none',
      expiry: 'ttl',
      wakeup: 'push',
      survivesFailover: false,
      crossProcess: true,
      shared: true,
      permits: true,
      ttl: { minMs: 50, granularityMs: 1, maxOvershootMs: 100 },
    },
    // CircuitBreaker for a busy machine: each request is five.
    timing: { ttlMs: 1_000, graceMs: 5_000 },
    async versions() {
      const info = String(await servers.nodes[0]!.command('INFO', 'server'));
      return {
        adapter: `@holdfast/adapter-redlock ${versionOf('../../package.json')}`,
        client: `ioredis ${versionOf('ioredis/package.json')}, redis ${versionOf('redis/package.json')}`,
        server: `${count} x redis ${/^redis_version:(\S+)/m.exec(info)?.[1]}`,
      };
    },
    hooks: {
      async freeze() {
        for (const node of servers.nodes) node.freeze();
        return () => servers.nodes.forEach((node) => void node.thaw());
      },
      async restart() {
        await Promise.all(servers.nodes.map((node) => node.restart()));
      },
    },
  });

  // Each case has some 20 connections of its own in this process; of more at once, a short lease would be over before its turn.
  vi.setConfig({ maxConcurrency: 8 });
}
