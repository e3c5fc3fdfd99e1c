import { afterAll, describe, expect, it, vi } from 'vitest';
import { cases, runConformance } from '../src/index.ts';
import { type TableSetup, tableHarness } from './support/table-harness.ts';

vi.setConfig({ maxConcurrency: 6, testTimeout: 120_000 });

const outside = new Set(cases.filter(({ id }) => id >= 'LK-0118').map(({ id }) => id));
const stops: (() => Promise<void>)[] = [];
afterAll(() => Promise.all(stops.map((stop) => stop())));

async function run(name: string, setup: TableSetup, ids: ReadonlySet<string>) {
  const { harness, server } = await tableHarness(name, setup);
  stops.push(async () => server[Symbol.asyncDispose]());
  return runConformance(harness, { filter: ({ id }) => ids.has(id) });
}

describe('cases with broken connections, stopped servers and other processes', () => {
  it('pass for a correct client of a backend behind a network', async () => {
    const report = await run('correct', {}, outside);
    const reasons = report.results
      .filter(({ outcome }) => outcome === 'fail')
      .map(({ id, reason }) => `${id} ${reason}`);
    expect(reasons).toEqual([]);
    expect(report.unhandled).toEqual([]);
    expect(report.results.filter(({ outcome }) => outcome === 'skip').map(({ id }) => id)).toEqual([
      'LK-0143',
      'LK-0146',
    ]);
  });
});
