import { beforeAll, expect, it } from 'vitest';
import type { Programs } from '../src/backends/backend.ts';
import { loadPrograms } from '../src/backends/programs.ts';
import { patch } from '../src/regressions/regression.ts';
import { simulate } from '../src/run/simulate.ts';
import type { Fault, Schedule, Step, StepOptions } from '../src/schedule/types.ts';

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

const rulesOf = async (one: Schedule, run = programs): Promise<string[]> =>
  (await simulate(one, run)).failures.map(({ rule }) => rule);

/** The shipped code with a fault in it. */
const withFault = (file: string, find: string, replace: string): Promise<Programs> =>
  loadPrograms('memory', [patch(`lock-core/${file}`, find, replace)]);

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

it('a renewal that arrives later than lock-core counts with may shorten the next one, and no earlier one may', async () => {
  // The first renewal counts for its lease and backendTimeoutMs: 1,100 ms.
  const renewals = [1_000, 9_000].map((ttlMs) => ({ do: 'renew', ttlMs, awaited: true }) as const);
  const inside = [{ do: 'work', ms: 10 }, ...renewals, { do: 'work', ms: 6_000 }] as const;
  const holds = step(1, 100, 'acquire', { options: { autoRenew: false }, inside });
  const late = (ms: number): Schedule => {
    const next = step(2, 300, 'acquire', { client: 1, inside: [{ do: 'work', ms: 50 }] });
    const one = schedule('shorter', [holds, next], []);
    const heldUp = { kind: 'half-open', at: 108, client: 0, server: 0, ms, brokenAfterMs: 20 } as const;
    return { ...one, clients: [one.clients[0]!, one.clients[0]!], faults: [heldUp] };
  };
  const until = 'const until = sent.at + longestArrivalMs(settings, sent.ttlMs);';
  const forgetful = await withFault('renewals.ts', until, 'const until = sent.at + sent.ttlMs / 4;');
  expect(await rulesOf(late(2_000))).toEqual([]);
  expect(await rulesOf(late(900))).toEqual([]);
  expect(await rulesOf(late(900), forgetful)).toEqual(['two holders']);
});

it('a hold that may be shortened late excuses no other one in the history', async () => {
  const inside = [
    { do: 'work', ms: 10 },
    { do: 'renew', ttlMs: 1_000, awaited: true },
    { do: 'work', ms: 6_000 },
  ] as const;
  const one = schedule(
    'late beside others',
    [
      step(1, 100, 'acquire', { options: { autoRenew: false }, inside }),
      ...[2, 3, 4, 5].map((id) =>
        step(id, 100 + 5 * id, 'acquire', { client: 1, key: 'k2', inside: [{ do: 'work', ms: 100 }] }),
      ),
    ],
    [{ kind: 'half-open', at: 108, client: 0, server: 0, ms: 2_000, brokenAfterMs: 20 }],
  );
  const passesOn = { ...one.clients[0]!, locks: [{ ttlMs: 10_000, localRun: { count: 5, ms: 1_000 } }] };
  const late: Schedule = { ...one, clients: [one.clients[0]!, passesOn] };
  expect(await rulesOf(late)).toEqual([]);
  const keepsToken = await withFault('lease.ts', 'this.token += 1n;', '');
  expect(await rulesOf(late, keepsToken)).toContain('history');
});

/** Many calls of one process, one after the other, and one of another process that waits beside them. */
function beside(count: number, everyMs: number, ms: number, options: StepOptions, other: StepOptions, more: object) {
  const key = options.permits === undefined ? 'k1' : 'p1';
  const inside = [{ do: 'work', ms }] as const;
  const many = Array.from({ length: count }, (_, i) => step(i + 2, i * everyMs, 'using', { key, options, inside }));
  const steps = [...many, step(1, 12, 'using', { key, client: 1, options: other })].sort((a, b) => a.at - b.at);
  const one = schedule('beside', steps, [], { fencing: false, ...more });
  const client = { ...one.clients[0]!, locks: [{ ttlMs: 30_000, localRun: { count: 5, ms: 5 } }] };
  return { ...one, clients: [client, client], network: { ...one.network, leastMs: 0.1, mostMs: 0.3 } };
}

it('readers who join each other past a writer of another process are unfair', async () => {
  const readers = beside(80, 2, 10, { mode: 'shared' }, {}, {});
  const endless = await withFault('context.ts', ' || now - lease.grantedAt >= localRun.ms', '');
  expect(await rulesOf(readers)).toEqual([]);
  expect(await rulesOf(readers, endless)).toContain('unfair');
});

it('permits that stay in one process while another one waits are unfair', async () => {
  const permits = beside(150, 0.5, 3, { permits: 1 }, { permits: 3 }, {});
  const endless = await withFault('release.ts', 'lease.handOvers >= count || batchMs >= ms', 'false');
  expect(await rulesOf(permits)).toEqual([]);
  expect(await rulesOf(permits, endless)).toContain('unfair');
});

it('a process that asks again right behind its release is unfair where nobody keeps a queue', async () => {
  const polling = beside(200, 0.1, 0.5, {}, {}, { fairness: 'none' });
  const greedy = await withFault('waiting.ts', 'keyState.deferredUntil = until;', '');
  expect(await rulesOf(polling)).toEqual([]);
  expect(await rulesOf(polling, greedy)).toContain('unfair');
});
