import { setTimeout as sleep } from 'node:timers/promises';
import type { LockAdapter } from '@holdfast/lock-core';
import { expect, it } from 'vitest';
import { type Harness, runConformance } from '../src/index.ts';
import { newTable, tableAdapter, tableCapabilities } from './support/table-adapter.ts';

const soonCase = 'LK-0060';

/** Where the next waiter gets a released key too late: from the beginning of the case on all calls are slow, or releases take effect late. */
function lateBackend(slow: 'calls' | 'releases'): Harness {
  const table = newTable();
  let begun = false;
  const adapter = async (): Promise<LockAdapter> => {
    const right = tableAdapter(table);
    return {
      ...right,
      async tryAcquire(attempt) {
        begun ||= attempt.key.startsWith(soonCase);
        if (begun && slow === 'calls') await sleep(700);
        return right.tryAcquire(attempt);
      },
      async release(hold) {
        if (!begun || slow === 'calls') return right.release(hold);
        setTimeout(() => void right.release(hold), 700);
        return 'released';
      },
    };
  };
  return { name: `late by its ${slow}`, capabilities: tableCapabilities, adapter, timing: { graceMs: 200 } };
}

async function runSoonCase(slow: 'calls' | 'releases') {
  const report = await runConformance(lateBackend(slow), { filter: ({ id }) => id === soonCase });
  return report.results[0]!;
}

it('a backend that is starved is recognised: what came too late is no failure, and is not called a pass', async () => {
  const { outcome, reason } = await runSoonCase('calls');
  expect(reason).toMatch(/the backend was starved: a call took \d{3} ms, and [\d.]+ ms at warm-up \(Not within/);
  expect(outcome).toBe('skip');
});

it('a backend that answers at once, and lets a waiter in too late, fails', async () => {
  const { outcome, reason } = await runSoonCase('releases');
  expect(reason).toMatch(/Not within/);
  expect(outcome).toBe('fail');
});
