import { afterAll, describe, it, vi } from 'vitest';
import { type Harness, type Report, runConformance } from '../src/index.ts';
import { outsideMutants } from './mutants/outside.ts';
import type { OutsideMutant } from './mutants/outside-mutant.ts';
import { tableHarness } from './support/table-harness.ts';

vi.setConfig({ maxConcurrency: 4, testTimeout: 120_000 });

const stops: (() => Promise<void>)[] = [];
afterAll(() => Promise.all(stops.map((stop) => stop())));

async function harnessOf(mutant: OutsideMutant): Promise<Harness> {
  const { bug, around = (right) => right, engine, forgets, declares, module, locks } = mutant;
  const { harness, server } = await tableHarness(bug, {
    ...(engine && { engine }),
    ...(forgets !== undefined && { forgets }),
  });
  stops.push(async () => server[Symbol.asyncDispose]());
  const capabilities = { ...harness.capabilities, ...declares };
  return {
    ...harness,
    capabilities,
    adapter: async (at) => {
      const right = await harness.adapter(at);
      return { ...around(right, at?.[0] ?? server), capabilities };
    },
    ...(module !== undefined && {
      process: () => ({ ...harness.process!(), module: new URL(module, import.meta.url) }),
    }),
    ...(locks && { createLocks: locks }),
  };
}

/** The report of the cases that must find it. Where the machine gave one of them no time, that says so, and nothing else: they run anew. */
async function reportOf(mutant: OutsideMutant): Promise<Report> {
  for (let runs = 1; ; runs += 1) {
    const report = await runConformance(await harnessOf(mutant), { filter: ({ id }) => mutant.caughtBy.includes(id) });
    const isStarved = report.results.some(
      ({ outcome, reason }) => outcome === 'skip' && /stalled|starved/.test(reason!),
    );
    if (!isStarved || runs === 5) return report;
  }
}

describe('every mutant is found that shows when connections break, servers stop or processes die', () => {
  for (const mutant of outsideMutants) {
    it.concurrent(mutant.bug, async ({ expect }) => {
      const { caughtBy, message } = mutant;
      const report = await reportOf(mutant);
      const outcomes = Object.fromEntries(report.results.map(({ id, outcome, reason }) => [id, { outcome, reason }]));
      for (const id of caughtBy) expect(outcomes[id]?.outcome, `${id}: ${outcomes[id]?.reason}`).toBe('fail');
      expect(report.ok).toBe(false);
      expect(outcomes[caughtBy[0]]?.reason).toMatch(message);
    });
  }
});
