import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryStore } from '../../adapter-memory/src/index.ts';
import { createLocks, isLockError, type Lock, type Locks } from '../src/index.ts';
import { type ManualClock, manualClock } from '../src/testing.ts';
import { type Fate, faultyAdapter } from './support/faulty-adapter.ts';

/** What a client does next, or what happens to it. */
type Step =
  | { do: 'acquire'; waitMs: number; abortAfterMs: number | undefined }
  | { do: 'tryAcquire'; waitMs: number; abortAfterMs: number | undefined }
  | { do: 'release'; which: number }
  | { do: 'renew'; which: number }
  | { do: 'pass'; ms: number }
  | { do: 'stall'; ms: number }
  | { do: 'fault'; operation: 'tryAcquire' | 'renew' | 'release' | 'enqueue'; fate: Fate };

const fates: fc.Arbitrary<Fate> = fc.oneof(
  fc.constantFrom<Fate[]>('request lost', 'reply lost', 'rejected before', 'rejected after'),
  fc.record({ replyAfterMs: fc.nat(3_000) }),
  fc.record({ arrivesAfterMs: fc.nat(3_000) }),
);

const steps: fc.Arbitrary<{ client: number; step: Step }> = fc.record({
  client: fc.nat(2),
  step: fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constantFrom('acquire' as const, 'tryAcquire' as const),
        waitMs: fc.constantFrom(0, 50, 500, 5_000, Number.POSITIVE_INFINITY),
        abortAfterMs: fc.option(fc.nat(2_000), { nil: undefined }),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constantFrom('release' as const, 'release' as const, 'renew' as const),
        which: fc.nat(9),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(0, 1, 10, 100, 700, 2_500) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('stall' as const), ms: fc.nat(2_000) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('fault' as const),
        operation: fc.constantFrom('tryAcquire' as const, 'renew' as const, 'release' as const, 'enqueue' as const),
        fate: fates,
      }),
    },
  ),
});

interface Held {
  client: number;
  lock: Lock;
}

/** Runs a history on one key, and checks at each step that nobody holds side by side and that tokens rise. */
async function run(fairness: 'none' | 'fifo', history: { client: number; step: Step }[]): Promise<void> {
  const clock = manualClock();
  const store = memoryStore();
  const adapters = [0, 1, 2].map(() => faultyAdapter(clock, { store, fairness }));
  const locks = adapters.map((adapter) =>
    createLocks(adapter, { clock, ttlMs: 1_000, backendTimeoutMs: 3_000, localRun: { count: 3, ms: 50 } }),
  );
  const held: Held[] = [];
  let highest = 0n;
  const all: Promise<unknown>[] = [];

  const check = (): void => {
    const holding = held.filter(({ lock }) => lock.state === 'held');
    expect(holding.length).toBeLessThanOrEqual(1);
    for (const { lock } of holding) {
      expect(lock.signal.aborted).toBe(false);
      expect(lock.remainingMs).toBeGreaterThan(0);
    }
    for (const { lock } of held) if (lock.state === 'lost') expect(lock.signal.aborted).toBe(true);
  };

  const take =
    (client: number) =>
    (lock: Lock | undefined): void => {
      if (lock === undefined) return;
      expect(lock.fencingToken).toBeGreaterThan(highest);
      highest = lock.fencingToken!;
      held.push({ client, lock });
      check();
    };

  for (const { client, step } of history) {
    const own = locks[client] as Locks;
    if (step.do === 'pass') await pass(clock, step.ms);
    else if (step.do === 'stall') clock.stall(step.ms);
    else if (step.do === 'fault') adapters[client]?.next(step.operation, step.fate);
    else if (step.do === 'acquire' || step.do === 'tryAcquire') {
      const controller = new AbortController();
      const { abortAfterMs, waitMs } = step;
      if (abortAfterMs !== undefined) clock.setTimeout(() => controller.abort('aborted'), abortAfterMs);
      all.push(own[step.do]('k', { waitMs, signal: controller.signal }).then(take(client), expectable));
    } else {
      const chosen = held[step.which % Math.max(1, held.length)];
      if (chosen !== undefined && step.do === 'release') all.push(chosen.lock.release());
      if (chosen !== undefined && step.do === 'renew') all.push(chosen.lock.renew(800).catch(expectable));
    }
    check();
  }

  // Whatever has happened: when all let go and the network heals, the key is free, and nothing is left that ticks.
  for (const client of locks) all.push(client.close());
  await pass(clock, 15_000);
  await Promise.all(all);
  const backend = faultyAdapter(clock, { store, fairness });
  expect(await backend.inspect?.('k')).toBe(undefined);
}

async function pass(clock: ManualClock, ms: number): Promise<void> {
  await clock.advance(ms);
}

function expectable(error: unknown): void {
  if (error !== 'aborted') expect(isLockError(error)).toBe(true);
}

describe('over random histories with faults: exclusion, rising tokens, no orphan, no unhandled rejection', () => {
  for (const fairness of ['none', 'fifo'] as const) {
    it(`backend queue: ${fairness}`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(steps, { minLength: 5, maxLength: 40 }), (history) => run(fairness, history)),
        { numRuns: Number(process.env.PROPERTY_RUNS ?? 1_500), timeout: 20_000 },
      );
    }, 300_000);
  }
});

it('the interleavings of replies: fast-check orders what the backend answers', async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.nat(3), async (scheduler, releases) => {
      const clock = manualClock();
      const store = memoryStore();
      const open = () => {
        const inner = faultyAdapter(clock, { store });
        const adapter = {
          ...inner,
          tryAcquire: scheduler.scheduleFunction(inner.tryAcquire),
          renew: scheduler.scheduleFunction(inner.renew),
          release: scheduler.scheduleFunction(inner.release),
        };
        return createLocks(adapter, { clock, ttlMs: 60_000 });
      };
      const clients = [open(), open()];
      let inside = 0;
      let last = 0n;
      const body = async (lock: Lock): Promise<void> => {
        inside += 1;
        expect(inside).toBe(1);
        expect(lock.fencingToken).toBeGreaterThan(last);
        last = lock.fencingToken!;
        if (releases % 2) await lock.renew();
        inside -= 1;
      };
      const work = Promise.all(
        Array.from({ length: 6 }, (_, i) => clients[i % 2]?.using('k', { reentrant: i % 3 === 0 }, body)),
      );
      let done = false;
      void work.then(() => {
        done = true;
      });
      for (let i = 0; i < 1_000 && !done; i += 1) {
        if (scheduler.count() > 0) await scheduler.waitOne();
        await clock.advance(5);
      }
      await work;
    }),
    { numRuns: 200 },
  );
});
