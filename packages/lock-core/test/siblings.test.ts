import { describe, expect, it } from 'vitest';
import { createLocks, type Lock, type LockOwner } from '../src/index.ts';
import { isWithin } from '../src/owner.ts';
import { manualClock } from '../src/testing.ts';
import { faultyAdapter } from './support/faulty-adapter.ts';
import { follow } from './support/outcome.ts';

for (const fairness of ['none', 'fifo'] as const) {
  const setUp = () => {
    const clock = manualClock();
    const locks = createLocks(faultyAdapter(clock, { fairness }), { ttlMs: 3_000, clock });
    const sleep = (ms: number): Promise<void> => new Promise((resolve) => void clock.setTimeout(resolve, ms));
    return { clock, locks, sleep };
  };

  describe(`tasks in one using body, backend queue: ${fairness}`, () => {
    for (const way of ['acquire', 'tryAcquire', 'using'] as const) {
      it(`H120: siblings exclude each other under another key (${way})`, async () => {
        const { clock, locks, sleep } = setUp();
        let inside = 0;
        let most = 0;
        const tokens = new Set<bigint | undefined>();
        const section = async (lock: Lock): Promise<void> => {
          tokens.add(lock.fencingToken);
          inside += 1;
          most = Math.max(most, inside);
          await sleep(20);
          inside -= 1;
        };
        const task = async (): Promise<void> => {
          if (way === 'using') return locks.using('order', section);
          let lock: Lock | undefined;
          while (lock === undefined) {
            lock = await locks[way]('order');
            if (lock === undefined) await sleep(5);
          }
          await section(lock);
          await lock.release();
        };
        const done = follow(locks.using('leader', () => Promise.all([task(), task(), task()])));
        await clock.advance(1_000);
        expect(done.state).toBe('resolved');
        expect([most, tokens.size]).toEqual([1, 3]);
      });
    }

    it('what is nested in a body re-enters its key by acquire, tryAcquire and using, at any depth', async () => {
      const { locks } = setUp();
      await locks.using('k', async (outer) => {
        const locked = [await locks.acquire('k'), await locks.tryAcquire('k')];
        await locks.using('other', async () => {
          locked.push(await locks.tryAcquire('k'));
          await locks.using('k', async (lock) => void locked.push(lock));
        });
        for (const lock of locked) expect(lock?.fencingToken).toBe(outer.fencingToken);
        for (const lock of locked) await lock?.release();
        expect(outer.state).toBe('held');
      });
    });

    it('a body that has ended admits nobody, though its lock was kept by a nested acquire', async () => {
      const { clock, locks, sleep } = setUp();
      let late: Promise<Lock | undefined> | undefined;
      let kept: Lock | undefined;
      await locks.using('k', async () => {
        kept = await locks.acquire('k');
        late = (async () => {
          await sleep(100);
          return locks.tryAcquire('k');
        })();
      });
      expect(kept?.state).toBe('held');
      const outcome = follow(late!);
      await clock.advance(200);
      expect(outcome).toMatchObject({ state: 'resolved', value: undefined });
    });

    it('two timers that are started in a body exclude each other, and after the body they are nobody', async () => {
      const { clock, locks, sleep } = setUp();
      const got: (Lock | undefined)[] = [];
      await locks.using('job', async () => {
        for (const ms of [50, 60])
          clock.setTimeout(() => void locks.tryAcquire('k').then((lock) => got.push(lock)), ms);
        for (const ms of [70, 80])
          clock.setTimeout(() => void locks.tryAcquire('job').then((lock) => got.push(lock)), ms);
      });
      void sleep(0);
      await clock.advance(100);
      expect(got.map((lock) => lock?.state)).toEqual(['held', undefined, 'held', undefined]);
    });

    it('owner and owner.run use that very owner, in a body too', async () => {
      const { locks } = setUp();
      const owner = locks.createOwner();
      await locks.using('outer', async () => {
        const first = await owner.run(() => locks.acquire('k'));
        const second = await locks.tryAcquire('k', { owner });
        const third = await owner.run(() => locks.tryAcquire('k'));
        expect([second?.fencingToken, third?.fencingToken]).toEqual([first.fencingToken, first.fencingToken]);
        expect(await locks.tryAcquire('k')).toBe(undefined);
      });
    });
  });
}

it('a waiter that a body left behind is not admitted with the owner of that body', async () => {
  const clock = manualClock();
  const adapter = faultyAdapter(clock);
  const locks = createLocks(adapter, { ttlMs: 30_000, clock });
  const owner = locks.createOwner();
  let left: Promise<Lock> | undefined;
  await locks.using('k', { owner }, async () => {
    adapter.next('tryAcquire', 'request lost');
    left = locks.acquire('x');
  });
  const waiting = follow(left!);
  const lock = await locks.tryAcquire('x', { owner });
  expect(lock?.state).toBe('held');
  await clock.advance(1_000);
  expect(waiting.state).toBe('pending');
  await lock?.release();
  await clock.advance(3_000);
  expect(waiting.value?.state).toBe('held');
});

it('no chain of owners grows, though each run starts before the one before it has ended', async () => {
  const clock = manualClock();
  const locks = createLocks(faultyAdapter(clock), { ttlMs: 3_000, clock });
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => void clock.setTimeout(resolve, ms));
  let last: LockOwner | undefined;
  let runs = 0;
  const tick = (): Promise<void> =>
    locks.using(`job ${runs % 5}`, async (lock) => {
      last = lock.owner;
      runs += 1;
      if (runs < 300) clock.setTimeout(() => void tick(), 5);
      await sleep(12);
    });
  void tick();
  await clock.advance(10_000);
  let depth = 0;
  type Scope = { outer: Scope | undefined };
  for (let scope = (last as unknown as { scope?: Scope }).scope; scope !== undefined; scope = scope.outer) depth += 1;
  expect(runs).toBe(300);
  expect(depth).toBeLessThan(10);
  expect(isWithin(last!, locks.createOwner())).toBe(false);
});
