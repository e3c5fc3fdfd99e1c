import { afterAll, describe, expect, it, vi } from 'vitest';
import { cases, runConformance } from '../src/index.ts';
import { outsideMutants } from './mutants/outside.ts';
import { serverBugs } from './support/table-bugs.ts';
import { type TableSetup, tableHarness } from './support/table-harness.ts';

vi.setConfig({ maxConcurrency: 6, testTimeout: 180_000 });

const outside = cases.filter(({ needs = [] }) =>
  needs.some((need) => ['servers', 'process', 'freeze', 'restart', 'advance', 'failover'].includes(need)),
);
const stops: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const stop of stops) await stop();
});

async function run(name: string, setup: TableSetup, ids: readonly string[]) {
  const { harness, server } = await tableHarness(name, setup);
  stops.push(() => server[Symbol.asyncDispose]() as Promise<void>);
  return runConformance(harness, { filter: ({ id }) => ids.includes(id) });
}

/** A bug, the cases that find it, and what the first of them says. */
type Row = readonly [setup: TableSetup, ids: readonly string[], message: RegExp];

const rows: readonly Row[] = [
  [{ bug: 'silence is "busy"' }, ['LK-0131', 'LK-0132', 'LK-0133', 'LK-0139'], /LOCK_BACKEND|rejection/],
  [{ bug: 'a release without an answer is "not-held"' }, ['LK-0120', 'LK-0121'], /released/],
  [
    { bug: 'a renewal without an answer is "renewed"' },
    ['LK-0125', 'LK-0126', 'LK-0127', 'LK-0135', 'LK-0138'],
    /its old holder, cut off, believes in/,
  ],
  [{ bug: 'what was not granted is not released' }, ['LK-0132', 'LK-0133', 'LK-0139'], /free again/],
  [{ bug: 'what was aborted is not released' }, ['LK-0134'], /free again/],
  [{ bug: 'a renewal without an answer is "lost"' }, ['LK-0122', 'LK-0130', 'LK-0135'], /LOCK_LOST|lost/],
  [{ bug: 'an inspect without an answer is "free"' }, ['LK-0136'], /rejection/],
  [{ bug: 'a list without an answer is empty' }, ['LK-0153'], /rejection/],
  [{ bug: 'the lease counts from the reply' }, ['LK-0123', 'LK-0124'], /before the lease could have ended/],
  [{ bug: 'it believes in ten leases' }, ['LK-0148'], /does not know it/],
  [{ bug: 'it never connects again' }, ['LK-0118', 'LK-0119', 'LK-0128', 'LK-0129', 'LK-0140'], /.*/],
  [{ bug: 'close waits for an answer' }, ['LK-0137'], /close/],
  [{ engine: serverBugs.ownerBlind! }, ['LK-0145', 'LK-0150'], /busy/],
  [{ engine: serverBugs.endless! }, ['LK-0147', 'LK-0149'], /killed process/],
  [{ engine: serverBugs.sameToken! }, ['LK-0141', 'LK-0149'], /After 7 and a restart came 7/],
  [{ engine: serverBugs.longestTimer! }, ['LK-0144'], /30 days/],
  [{ forgets: true }, ['LK-0142'], /after a failover/],
  [{ forgets: true, claims: { survivesFailover: false }, engine: serverBugs.sameToken! }, ['LK-0143'], /token/i],
  [{ claims: { crossProcess: false } }, ['LK-0146'], /crossProcess: false/],
];

describe('cases with broken connections, stopped servers and other processes', () => {
  it('pass for a correct client of a backend behind a network', async () => {
    const report = await run(
      'correct',
      {},
      outside.map(({ id }) => id),
    );
    const reasons = report.results
      .filter(({ outcome }) => outcome === 'fail')
      .map(({ id, reason }) => `${id} ${reason}`);
    expect(reasons).toEqual([]);
    expect(report.unhandled).toEqual([]);
    const skipped = report.results.filter(({ outcome }) => outcome === 'skip').map(({ id }) => id);
    expect(skipped).toEqual(['LK-0143', 'LK-0146', 'LK-0360']);
  });

  it('of a backend that a failover may empty pass too', async () => {
    const claims = { survivesFailover: false };
    const report = await run('forgetful', { claims, forgets: true }, ['LK-0143', 'LK-0140', 'LK-0141']);
    expect(report.results.filter(({ outcome }) => outcome !== 'pass')).toEqual([]);
  });

  for (const [setup, ids, message] of rows) {
    const name = setup.bug ?? setup.engine?.name ?? JSON.stringify(setup);
    it.concurrent(`H87: find ${name}: ${ids.join(', ')}`, async () => {
      const report = await run(name, setup, ids);
      const found = report.results.map(({ id, outcome }) => `${id} ${outcome}`);
      expect(found).toEqual(ids.map((id) => `${id} fail`));
      expect(report.results[0]?.reason).toMatch(message);
    });
  }

  it('each is broken by one bug at least', () => {
    // The backend of the rows has no queue: what is about places is broken by mutants that have one.
    const broken = new Set([...rows.flatMap(([, ids]) => ids), ...outsideMutants.flatMap(({ caughtBy }) => caughtBy)]);
    expect(outside.map(({ id }) => id).filter((id) => !broken.has(id))).toEqual([]);
  });
});
