import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import type { ServerProcess } from '@holdfast/testbed';
import { startEtcd, startPostgres, startRedis, startRedisNodes, startZookeeper } from '@holdfast/testbed';
import { describe, expect, it, vi } from 'vitest';
import { isLockError, type Locks, openLocks } from '../src/index.ts';
import { type Scenario, scenarios } from './contract-scenarios.ts';

interface Backend {
  readonly name: string;
  /** Its servers; none for the one that cannot be down without its users. */
  start(): Promise<{ url: string; servers: readonly ServerProcess[]; stop(): Promise<void> }>;
}

const redis = (scheme: string) => async () => {
  const server = await startRedis();
  return { url: `${scheme}://${server.host}:${server.port}`, servers: [server], stop: () => server.stop() };
};
const single = (start: () => Promise<ServerProcess>, query: string) => async () => {
  const server = await start();
  return { url: server.url + query, servers: [server], stop: () => server.stop() };
};

const backends: readonly Backend[] = [
  { name: 'memory', start: async () => ({ url: 'memory:', servers: [], stop: async () => {} }) },
  { name: 'Redis, ioredis', start: redis('redis+ioredis') },
  { name: 'Redis, node-redis', start: redis('redis+node-redis') },
  {
    name: 'Redlock',
    async start() {
      const { nodes, stop } = await startRedisNodes(3);
      return { url: `redlock://${nodes.map(({ host, port }) => `${host}:${port}`).join(',')}`, servers: nodes, stop };
    },
  },
  // A session of 10 s, so that its end is seen in time.
  { name: 'ZooKeeper', start: single(startZookeeper, '?sessionTimeout=10s') },
  { name: 'etcd', start: single(startEtcd, '') },
  { name: 'PostgreSQL', start: single(startPostgres, '?createSchema=true') },
];

// Patience for a busy machine.
const options = { backendTimeoutMs: 5_000, attemptTimeoutMs: 2_000, ttlMs: 12_000 };
const rows = new Map<string, Map<string, string>>(scenarios.map(({ title }) => [title, new Map()]));

/** Locks that are connected: on a busy machine that may take longer than the patience that they have from then on. */
async function open(url: string): Promise<Locks> {
  const locks = await openLocks(url, { ...options, lazy: true });
  const giveUpAt = performance.now() + 60_000;
  for (;;) {
    try {
      await locks.inspect('table');
      return locks;
    } catch (error) {
      if (!isLockError(error, 'LOCK_BACKEND') || performance.now() > giveUpAt) throw error;
    }
  }
}

async function play(chosen: readonly Scenario[], stage: { locks: Locks; other: Locks }, down: () => void) {
  const stages = chosen.map(({ title }) => ({ ...stage, key: `table: ${title}` }));
  const held = await Promise.all(chosen.map((scenario, i) => scenario.before?.(stages[i]!)));
  down();
  return Promise.all(chosen.map((scenario, i) => scenario.run(stages[i]!, held[i])));
}

/** What the servers record of a holder that waited: where they keep only the time of its request, nothing is said of the grant. */
async function checkHolder(name: string, locks: Locks, other: Locks): Promise<void> {
  const key = 'who holds it';
  const first = await locks.acquire(key);
  const calledAt = Date.now();
  const waiting = other.acquire(key);
  await setTimeout(1_500);
  const releasedAt = Date.now();
  await first.release();
  await waiting;
  const holder = (await locks.inspect(key))?.holder;
  expect(holder, name).toMatchObject({ host: hostname(), pid: process.pid });
  // To the second.
  expect(holder?.askedAt?.getTime(), name).toBeGreaterThan(calledAt - 1_000);
  const since = holder?.since?.getTime();
  if (['ZooKeeper', 'etcd'].includes(name)) expect(since, name).toBeUndefined();
  else expect(since, name).toBeGreaterThan(releasedAt - (name === 'Redlock' ? 1_000 : 10));
  expect((await other.inspect(key))?.holder?.since?.getTime(), name).toBeGreaterThan(releasedAt - 10);
  for await (const info of locks.list(key)) expect(info.holder, name).toEqual(holder);
}

// Most of the time is waiting for leases.
vi.setConfig({ maxConcurrency: 3 });

describe('H88: the same scenarios have the same outcomes on every backend', () => {
  for (const { name, start } of backends) {
    it.concurrent(name, { timeout: 180_000 }, async () => {
      const { url, servers, stop } = await start();
      const locks = await open(url);
      const other = await open(url);
      try {
        const up = scenarios.filter(({ frozen }) => frozen === undefined);
        const down = scenarios.filter(({ frozen }) => frozen === true);
        for (const [i, outcome] of (await play(up, { locks, other }, () => {})).entries()) {
          rows.get(up[i]!.title)?.set(name, outcome);
        }
        await checkHolder(name, locks, other);
        if (servers.length === 0) return;
        const freeze = () => {
          for (const server of servers) server.freeze();
        };
        for (const [i, outcome] of (await play(down, { locks, other }, freeze)).entries()) {
          rows.get(down[i]!.title)?.set(name, outcome);
        }
      } finally {
        for (const server of servers) server.thaw();
        await Promise.all([locks.close(), other.close()]);
        await stop();
      }
      for (const [title, outcomes] of rows) {
        const own = outcomes.get(name);
        const first = [...outcomes.values()][0];
        if (own !== undefined) expect(`${title}: ${own}`).toBe(`${title}: ${first}`);
      }
    });
  }

  it('and the page of the reports has the table', () => {
    const lines = [
      '| | outcome |',
      '|---|---|',
      ...[...rows].map(([title, outcomes]) => `| ${title} | ${[...new Set(outcomes.values())].join(', or ')} |`),
    ];
    const table = lines.join('\n');
    process.stdout.write(`${table}\n`);
    const page = readFileSync(new URL('../../../docs/conformance/README.md', import.meta.url), 'utf8');
    expect(page.includes(table), 'put the table above into docs/conformance/README.md').toBe(true);
  });
});
