import { expect, it } from 'vitest';
import { loadPrograms } from '../src/backends/programs.ts';
import { simulate } from '../src/run/simulate.ts';
import type { Schedule, Step } from '../src/schedule/types.ts';

const step = (id: number, at: number, ms: number): Step => ({
  id,
  at,
  client: 0,
  locks: 0,
  call: 'acquire',
  key: 'k1',
  options: {},
  watches: 'both',
  inside: [{ do: 'work', ms }],
  release: 'once',
});

const schedule = (askedAt: number): Schedule => ({
  seed: `waits ${askedAt}`,
  about: 'a lock that is asked for while it is released',
  backend: 'etcd',
  options: {
    members: 1,
    leastTtlSeconds: 1,
    forgetsDeletes: false,
    callTimeoutMs: 2_000,
    authentication: false,
    token: 'simple',
    tokenTtlMs: 1,
  },
  clients: [{ rate: 1, wallOffsetMs: 0, originMs: 0, locks: [{ localRun: { count: 0 } }] }],
  network: { leastMs: 0.1, mostMs: 0.2, slowRate: 0, slowMs: 0 },
  steps: [step(1, 0, 50), step(2, askedAt, 1)],
  faults: [],
});

it('on etcd, a waiter of the process whose release is under way hears of it at once, whenever it asked', {
  timeout: 60_000,
}, async () => {
  const programs = await loadPrograms('etcd');
  for (let askedAt = 45; askedAt < 65; askedAt += 0.2) {
    const { notes, failures } = await simulate(schedule(askedAt), programs);
    expect(failures).toEqual([]);
    const at = (what: string): number => notes.find((note) => note.what.startsWith(what))!.at;
    const waitedMs = at('#2 holds') - Math.max(askedAt, at('#1 releases'));
    // A watch of what is past tells it only up to 100 ms later.
    expect(waitedMs, `asked at ${askedAt} ms`).toBeLessThan(50);
  }
});

it('on etcd, a lock is not granted under a lease that has run on while the machine slept', {
  timeout: 60_000,
}, async () => {
  const programs = await loadPrograms('etcd');
  const locks = [{ ttlMs: 1_300, autoRenew: false }];
  for (const sleptMs of [1_700, 2_000, 2_400, 2_600]) {
    const slept: Schedule = {
      ...schedule(0),
      clients: [{ rate: 1, wallOffsetMs: 0, originMs: 0, locks }],
      steps: [step(1, 0, 1), step(2, 150 + sleptMs, 600)],
      faults: [{ kind: 'suspend', at: 100, client: 0, ms: sleptMs }],
    };
    expect((await simulate(slept, programs)).failures, `slept for ${sleptMs} ms`).toEqual([]);
  }
});

it('on etcd, a reader behind a writer of its process hears at once that the writer has given up', {
  timeout: 60_000,
}, async () => {
  const programs = await loadPrograms('etcd');
  const shared = { options: { mode: 'shared' } } as const;
  for (let abortMs = 2; abortMs < 12; abortMs += 0.5) {
    const steps = [
      { ...step(1, 0, 400), ...shared },
      { ...step(2, 100, 1), options: { abortMs } },
      { ...step(3, 101, 1), ...shared },
    ];
    const { notes, failures } = await simulate({ ...schedule(0), seed: `gives up ${abortMs}`, steps }, programs);
    expect(failures).toEqual([]);
    // A watch tells it only 100 ms later.
    expect(notes.find(({ what }) => what.startsWith('#3 holds'))!.at, `gave up after ${abortMs} ms`).toBeLessThan(160);
  }
});
