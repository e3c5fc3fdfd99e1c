import type { LockAdapter } from '@holdfast/lock-core';
import { expect, it } from 'vitest';
import { type Harness, runConformance } from '../src/index.ts';
import { noteEnds } from '../src/key-ends.ts';
import { newTable, now, tableAdapter, tableCapabilities } from './support/table-adapter.ts';

/** Polls a key whose lease ends, at its end. */
const endCase = 'LK-0163';

/** A backend on which every busy answer is changed by `change`. */
function harnessOf(name: string, change: (leftMs: number) => number): Harness {
  const table = newTable();
  const adapter = async (): Promise<LockAdapter> => {
    const right = tableAdapter(table);
    return {
      ...right,
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        return outcome.status === 'busy'
          ? { status: 'busy', retryAfterMs: change(outcome.retryAfterMs ?? 0) }
          : outcome;
      },
    };
  };
  return { name, capabilities: tableCapabilities, adapter };
}

async function run(harness: Harness) {
  const { results } = await runConformance(harness, { filter: ({ id }) => id === endCase });
  return results[0]!;
}

it('less than nothing is left of a lease that ends while the answer is made: no fault of the backend', async () => {
  const stalled = (leftMs: number): number => {
    const until = now() + 2;
    // The machine stalls between two looks at the clock.
    while (leftMs < 40 && now() < until);
    return leftMs < 40 ? leftMs - 2 : leftMs;
  };
  const { outcome, reason } = await run(harnessOf('stalls', stalled));
  expect(reason).toBeUndefined();
  expect(outcome).toBe('pass');
});

it('less than nothing is left of a lease that has just begun: a fault', async () => {
  const { outcome, reason } = await run(harnessOf('below nothing', (leftMs) => (leftMs > 1_000 ? -0.02 : leftMs)));
  expect(reason).toMatch(/retryAfterMs must be a finite number of 0 or more/);
  expect(outcome).toBe('fail');
});

it('more than all leases of the key is left: a fault', async () => {
  const { outcome, reason } = await run(harnessOf('too far', (leftMs) => 2 * leftMs));
  expect(reason).toMatch(/but all leases of the key are over in/);
  expect(outcome).toBe('fail');
});

it.each([
  ['none', 'part of what was refused before may stand for a moment'],
  ['fifo', 'what was refused before took nothing'],
] as const)('fairness %s: %s', (fairness, _) => {
  const ends = noteEnds({ ...tableCapabilities, fairness });
  const request = (owner: string) => [{ key: 'k', owner, ttlMs: 60_000 }];
  const holder = { key: 'k', owner: 'holder', ttlMs: 5_000 };
  ends.ask([holder], {})([{ status: 'granted', validForMs: 5_000 }]);
  ends.ask(request('one'), {})([{ status: 'busy' }]);
  const calledAt = now();
  ends.ask(request('two'), {})([{ status: 'busy' }]);
  expect(ends.mostMs('k', calledAt) > 50_000).toBe(fairness === 'none');
  // A second later.
  expect(ends.mostMs('k', now() + 1_000)).toBeLessThan(5_000);
});

it('a client that is not the holder may tell up to the whole TTL, and no more', () => {
  const [own, other] = [{}, {}];
  const ends = noteEnds({ ...tableCapabilities, fairness: 'fifo' });
  ends.ask([{ key: 'k', owner: 'holder', ttlMs: 5_000 }], own)([{ status: 'granted', validForMs: 5_000 }]);
  const later = now() + 1_000;
  const { granularityMs } = tableCapabilities.ttl;
  expect(ends.mostMs('k', later, own)).toBeLessThan(4_900);
  expect(ends.mostMs('k', later)).toBeLessThan(4_900);
  expect(ends.mostMs('k', later, other)).toBeGreaterThanOrEqual(5_000);
  expect(ends.mostMs('k', later, other)).toBeLessThan(5_100 + granularityMs);
});
