import type { Capabilities, LockAdapter } from '@holdfast/lock-core';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { memoryAdapter, memoryStore } from '../../adapter-memory/src/index.ts';
import { type Harness, runConformance } from '../src/index.ts';
import { holdMutants } from './support/hold-mutants.ts';
import type { Mutant } from './support/mutant.ts';
import { queueMutants } from './support/queue-mutants.ts';
import { newTable, tableAdapter, tableCapabilities } from './support/table-adapter.ts';
import { leftovers, valueMutants } from './support/value-mutants.ts';

vi.setConfig({ maxConcurrency: 16 });

function onTable(bug: string, mutate?: Mutant['mutate']): Harness {
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
  return { name: bug, adapter, capabilities: tableCapabilities };
}

function onMemory(bug: string, mutate: Mutant['mutate']): Harness {
  const store = memoryStore();
  const capabilities: Capabilities = memoryAdapter().capabilities;
  const adapter = async (): Promise<LockAdapter> => {
    const right = memoryAdapter({ store });
    return { ...right, ...mutate(right, newTable()) };
  };
  return { name: bug, adapter, capabilities };
}

async function assertFound({ caughtBy, message }: Mutant, harness: Harness): Promise<void> {
  const report = await runConformance(harness, { filter: ({ id }) => caughtBy.includes(id) });
  const outcomes = report.results.map(({ id, outcome }) => [id, outcome]);
  expect(outcomes).toEqual(caughtBy.map((id) => [id, 'fail']));
  expect(report.ok).toBe(false);
  expect(report.results[0]?.reason).toMatch(message);
}

afterAll(() => {
  for (const clear of leftovers) clear();
});

describe('the suite can fail', () => {
  it('passes the adapter that most mutants are made from', async () => {
    const report = await runConformance(onTable('none'));
    expect(report.results.filter(({ outcome }) => outcome === 'fail')).toEqual([]);
    expect(report.ok).toBe(true);
  });

  const mutants = [...holdMutants, ...valueMutants];
  const alone = ({ caughtBy }: Mutant) => caughtBy.includes('LK-0109');
  for (const mutant of mutants.filter((mutant) => !alone(mutant))) {
    it.concurrent(`finds ${mutant.bug}`, () => assertFound(mutant, onTable(mutant.bug, mutant.mutate)));
  }
  for (const mutant of queueMutants) {
    it.concurrent(`finds ${mutant.bug}`, () => assertFound(mutant, onMemory(mutant.bug, mutant.mutate)));
  }
  for (const mutant of mutants.filter(alone)) {
    it.sequential(`finds ${mutant.bug}`, () => assertFound(mutant, onTable(mutant.bug, mutant.mutate)));
  }
});
