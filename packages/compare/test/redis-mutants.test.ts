import { type Harness, runConformance } from '@holdfast/conformance';
import { type RedisGroup, startRedisNodes } from '@holdfast/testbed';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, it, vi } from 'vitest';
import {
  type RedisMutant,
  redisAdapter,
  redisCapabilities,
  redisMutants,
} from '../../conformance/test/mutants/redis.ts';

vi.setConfig({ maxConcurrency: 4, testTimeout: 120_000 });

let group: RedisGroup;
beforeAll(async () => {
  group = await startRedisNodes(3);
});
afterAll(() => group?.stop());

/** Three clients of a case ask three servers first, so they are counted in each run anew. */
function harnessOf(servers: RedisMutant['servers'], mutant?: RedisMutant): Harness {
  let count = 0;
  return {
    name: mutant?.bug ?? `redis, ${servers} servers`,
    capabilities: redisCapabilities,
    async adapter() {
      const clients = group.nodes.slice(0, servers).map(({ port }) => new Redis(port, '127.0.0.1'));
      const sends = clients.map(
        (client) =>
          (name: string | number, ...args: (string | number)[]) =>
            client.call(String(name), ...args),
      );
      const right = redisAdapter(sends);
      return {
        ...right,
        ...mutant?.adapter(right, sends, count++),
        async close() {
          for (const client of clients) client.disconnect();
        },
      };
    },
  };
}

describe('locks as tutorials teach them, on real Redis servers', () => {
  for (const servers of [1, 3] as const) {
    it.concurrent(`a right one on ${servers} passes`, async ({ expect }) => {
      const ids = new Set(redisMutants.filter((mutant) => mutant.servers === servers).flatMap((m) => m.caughtBy));
      const report = await runConformance(harnessOf(servers), { filter: ({ id }) => ids.has(id) });
      expect(report.results.map(({ id, outcome, reason }) => [id, outcome, reason])).toEqual(
        [...ids].sort().map((id) => [id, 'pass', undefined]),
      );
    });
  }

  for (const mutant of redisMutants) {
    it.concurrent(`is found: ${mutant.bug}`, async ({ expect }) => {
      const { servers, caughtBy, message } = mutant;
      const filter = ({ id }: { id: string }) => caughtBy.includes(id);
      const report = await runConformance(harnessOf(servers, mutant), { filter, concurrency: 1 });
      const outcomes = Object.fromEntries(report.results.map(({ id, outcome, reason }) => [id, { outcome, reason }]));
      for (const id of caughtBy) expect(outcomes[id]?.outcome, `${id}: ${outcomes[id]?.reason}`).toBe('fail');
      expect(outcomes[caughtBy[0]]?.reason).toMatch(message);
    });
  }
});
