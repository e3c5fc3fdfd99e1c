import type { LockAdapter } from '@holdfast/lock-core';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { type Harness, runConformance } from '../src/index.ts';
import { leftovers, type Mutant, mutants } from './support/mutants.ts';
import { newTable, tableAdapter, tableCapabilities } from './support/table-adapter.ts';

vi.setConfig({ maxConcurrency: 6 });

function harnessOf(name: string, mutate?: Mutant['mutate']): Harness {
  const table = newTable();
  const adapter = async (): Promise<LockAdapter> => {
    const right = tableAdapter(table);
    const mutant: LockAdapter = { ...right, ...mutate?.(right, table) };
    // A bug in renew is one in renewMany too, unless that is the one with the bug.
    if (mutant.renewMany === right.renewMany) {
      mutant.renewMany = (holds, ttlMs) => Promise.all(holds.map((hold) => mutant.renew(hold, ttlMs)));
    }
    return mutant;
  };
  return { name, adapter, capabilities: tableCapabilities };
}

afterAll(() => {
  for (const clear of leftovers) clear();
});

describe('the suite can fail', () => {
  it('passes the adapter that all mutants are made from', async () => {
    const report = await runConformance(harnessOf('table'));
    expect(report.results.filter(({ outcome }) => outcome === 'fail')).toEqual([]);
    expect(report.ok).toBe(true);
  });

  for (const { bug, caughtBy, message, mutate } of mutants) {
    const register = caughtBy.includes('LK-0109') ? it.sequential : it.concurrent;
    register(`finds ${bug}`, async () => {
      const report = await runConformance(harnessOf(bug, mutate), { filter: ({ id }) => caughtBy.includes(id) });
      const outcomes = report.results.map(({ id, outcome }) => [id, outcome]);
      expect(outcomes).toEqual(caughtBy.map((id) => [id, 'fail']));
      expect(report.ok).toBe(false);
      expect(report.results[0]?.reason).toMatch(message);
    });
  }
});
