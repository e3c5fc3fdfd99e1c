import { beforeAll, expect, it } from 'vitest';
import type { Programs } from '../src/backends/backend.ts';
import { loadPrograms } from '../src/backends/programs.ts';
import { simulate } from '../src/run/simulate.ts';
import type { Fault, Schedule, Step } from '../src/schedule/types.ts';

// What the oracle must say, and must not say, about schedules that seeds reach too seldom.

let programs: Programs;
beforeAll(async () => {
  programs = await loadPrograms('memory');
});

const step = (id: number, at: number, call: Step['call'], more: Partial<Step> = {}): Step => ({
  ...{ id, at, call, client: 0, locks: 0, key: 'k1', options: {}, watches: 'both', inside: [], release: 'once' },
  ...more,
});

const schedule = (seed: string, steps: readonly Step[], faults: readonly Fault[], more: object = {}): Schedule => ({
  ...{ seed, backend: 'memory', about: 'the oracle', steps, faults },
  options: { fairness: 'fifo', hints: true, fencing: true, doubled: 0, lanes: 1, renewMany: true, ...more },
  clients: [
    {
      ...{ rate: 1, wallOffsetMs: 0, originMs: 1 },
      locks: [{ ttlMs: 10_000, backendTimeoutMs: 100, localRun: { count: 0 } }],
    },
  ],
  network: { leastMs: 0.1, mostMs: 2, slowRate: 0, slowMs: 1 },
});

const rulesOf = async (one: Schedule): Promise<string[]> =>
  (await simulate(one, programs)).failures.map(({ rule }) => rule);

it('a request that arrives after its clean-up stays for its lease, and nobody is to blame', async () => {
  const heldUp = (ms: number): Fault => ({
    ...{ kind: 'half-open', at: 99, client: 0, server: 0, ms, brokenAfterMs: 2 },
  });
  const late = (ms: number) => schedule('late', [step(1, 100, 'tryAcquire')], [heldUp(ms)], { fairness: 'none' });
  expect(await rulesOf(late(15_000))).toEqual([]);
  expect(await rulesOf(late(9_000))).toEqual([]);
});

it('those who hold a key together may hear of it in any order', async () => {
  const work = [{ do: 'work', ms: 50 }] as const;
  const steps = [
    step(1, 1, 'acquire', { inside: work }),
    step(2, 12, 'acquire', { options: { mode: 'shared' }, inside: work }),
    step(3, 38, 'acquire', { options: { mode: 'shared' }, inside: work }),
  ];
  for (let i = 1; i <= 20; i++)
    expect(await rulesOf(schedule(`together ${i}`, steps, [], { lanes: 2 })), `seed ${i}`).toEqual([]);
});
