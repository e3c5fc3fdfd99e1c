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

/** Renews nothing while it is starved for longer than a lease, or, with a bug, renews nothing at all. */
async function runWatchdogCase(slow: 'calls' | 'renewals') {
  const table = newTable();
  const right = tableAdapter(table);
  let stalledUntil: number | undefined;
  /** From the first renewal on, nothing is answered for longer than a lease. */
  const stall = (): Promise<void> => sleep(Math.max(0, (stalledUntil ?? 0) - performance.now()));
  const adapter = async (): Promise<LockAdapter> => ({
    ...right,
    async tryAcquire(attempt) {
      await stall();
      return right.tryAcquire(attempt);
    },
    async renew(hold, ttlMs) {
      if (slow === 'renewals') return { status: 'renewed', validForMs: ttlMs };
      stalledUntil ??= performance.now() + 1_600;
      await stall();
      return right.renew(hold, ttlMs);
    },
  });
  const harness: Harness = { name: `starved of ${slow}`, capabilities: tableCapabilities, adapter };
  const report = await runConformance(harness, { filter: ({ id }) => id === 'LK-0043' });
  return report.results[0]!;
}

it('a hold that is lost while the backend is starved is no failure, and not called a pass', async () => {
  const { outcome, reason } = await runWatchdogCase('calls');
  expect(reason).toMatch(/the backend was starved: a call took \d{3,4} ms/);
  expect(outcome).toBe('skip');
});

it('a hold that is lost because nothing is renewed is a failure', async () => {
  const { outcome } = await runWatchdogCase('renewals');
  expect(outcome).toBe('fail');
});
