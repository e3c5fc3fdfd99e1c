import { expect, it } from 'vitest';
import { loadPrograms } from '../src/backends/programs.ts';
import { simulate } from '../src/run/simulate.ts';
import type { Schedule, Step } from '../src/schedule/types.ts';

// A waiter is granted the lock, and what it claims it with is held up until the lock has long been released. Seeds reach that too seldom.

const step = (id: number, at: number, client: number, more: Partial<Step> = {}): Step => ({
  ...{
    id,
    at,
    call: 'acquire',
    client,
    locks: 0,
    key: 'k1',
    options: {},
    watches: 'both',
    inside: [],
    release: 'once',
  },
  ...more,
});

const optionsOf = {
  redis: {
    ...{ client: 'redis', fencing: true, waitReplicas: 0, waitReplicasTimeoutMs: 100, replicas: 0, lagMs: 1 },
    ...{ offlineQueue: true, stringNumbers: false, buffers: false },
  },
  postgres: {
    ...{ maxConnections: 10, callTimeoutMs: 5_000, pooler: false, standby: 'none', lagMs: 1, pauseRate: 0, pauseMs: 1 },
    ...{ commitMs: 0.01, idleInTransactionMs: 0, synchronousCommit: true, createSchema: false },
  },
} as const;

function schedule(backend: keyof typeof optionsOf, seed: string, abortMs: number | undefined): Schedule {
  const client = { rate: 1, wallOffsetMs: 0, originMs: 1, locks: [{ ttlMs: 30_000, localRun: { count: 0 } }] };
  return {
    ...{ seed, backend, about: 'late claims', options: optionsOf[backend], clients: [client, client, client] },
    network: { leastMs: 0.1, mostMs: 0.5, slowRate: 0, slowMs: 1 },
    steps: [
      step(1, 100, 0, { inside: [{ do: 'work', ms: 890 }] }),
      step(2, 200, 1, { options: { abortMs } }),
      // Were it free, this one would have it at once.
      step(3, 9_000, 2),
    ],
    faults: [{ kind: 'half-open', at: 985, client: 1, server: 0, ms: 7_000, brokenAfterMs: 25 }],
  };
}

it.each(['redis', 'postgres'] as const)(
  'on %s a claim that arrives when its owner has gone is cleaned up (H125)',
  { timeout: 60_000 },
  async (backend) => {
    const programs = await loadPrograms(backend);
    // The caller waits for as long as it takes, or gives up while the claim has no answer.
    for (const abortMs of [undefined, 860, 1_000]) {
      const { failures, notes } = await simulate(schedule(backend, `late ${abortMs}`, abortMs), programs);
      const told = notes.map(({ at, who, what }) => `${at.toFixed(1)} ${who} ${what}`).join('\n');
      expect(failures, told).toEqual([]);
    }
  },
);

it('a renewal that ioredis has sent twice shortens no later one (H113)', { timeout: 60_000 }, async () => {
  const one = schedule('redis', 'sent twice', undefined);
  const renewals = [2_000, 25_000].map((ttlMs) => ({ do: 'renew', ttlMs, awaited: true }) as const);
  const holds = step(1, 100, 0, {
    options: { autoRenew: false },
    inside: [{ do: 'work', ms: 900 }, ...renewals, { do: 'work', ms: 10_000 }],
  });
  const twice: Schedule = {
    ...one,
    options: { ...one.options, client: 'ioredis' },
    steps: [holds, step(2, 200, 1)],
    faults: [{ kind: 'half-open', at: 990, client: 0, server: 0, ms: 1_500, brokenAfterMs: 20 }],
  };
  const { failures, notes } = await simulate(twice, await loadPrograms('redis'));
  const told = notes.map(({ at, who, what }) => `${at.toFixed(1)} ${who} ${what}`).join('\n');
  expect(failures, told).toEqual([]);
});
