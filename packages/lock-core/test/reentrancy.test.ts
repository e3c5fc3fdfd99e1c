import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it } from 'vitest';
import { memoryAdapter } from '../../adapter-memory/src/index.ts';
import { createLocks } from '../src/index.ts';
import { manualClock } from '../src/testing.ts';
import { faultyAdapter } from './support/faulty-adapter.ts';
import { codeOf, follow } from './support/outcome.ts';

for (const fairness of ['none', 'fifo'] as const) {
  const setUp = () => {
    const clock = manualClock();
    const adapter = faultyAdapter(clock, { fairness });
    return { clock, adapter, locks: createLocks(adapter, { ttlMs: 3_000, clock }) };
  };

  describe(`reentrancy, backend queue: ${fairness}`, () => {
    it('H60: nested three deep: no round trip, same token, same signal, only the last release frees', async () => {
      const { adapter, locks } = setUp();
      await locks.using('k', async (outer) => {
        const before = adapter.calls.length;
        await locks.using('k', async (middle) => {
          const inner = await locks.acquire('k');
          expect([middle.fencingToken, inner.fencingToken]).toEqual([outer.fencingToken, outer.fencingToken]);
          expect(inner.signal).toBe(outer.signal);
          expect(inner.owner).toBe(outer.owner);
          expect(await inner.release()).toBe('released');
          expect(inner.state).toBe('released');
          expect(middle.state).toBe('held');
        });
        expect(adapter.calls.length).toBe(before);
        expect(outer.state).toBe('held');
        expect(await adapter.backend.inspect?.('k')).toBeDefined();
      });
      expect(await adapter.backend.inspect?.('k')).toBe(undefined);
    });

    it('H60: a nested hold lives over several leases', async () => {
      const { clock, locks } = setUp();
      const done = locks.using('k', async (outer) =>
        locks.using('k', async () => {
          await new Promise<void>((resolve) => void clock.setTimeout(resolve, 10_000));
          return outer.state;
        }),
      );
      await clock.advance(10_001);
      expect(await done).toBe('held');
    });

    it('H59: two tasks exclude each other', async () => {
      const { clock, locks } = setUp();
      let inside = 0;
      const task = () =>
        locks.using('k', async () => {
          inside += 1;
          expect(inside).toBe(1);
          await new Promise<void>((resolve) => void clock.setTimeout(resolve, 10));
          inside -= 1;
        });
      const both = Promise.all([task(), task()]);
      await clock.advance(1_000);
      await both;
    });

    it('H59: two tasks side by side in one body exclude each other too', async () => {
      const { clock, locks } = setUp();
      let inside = 0;
      let most = 0;
      const done = locks.using('outer', () =>
        Promise.all(
          Array.from({ length: 5 }, () =>
            locks.using('k', async () => {
              inside += 1;
              most = Math.max(most, inside);
              await new Promise<void>((resolve) => void clock.setTimeout(resolve, 10));
              inside -= 1;
            }),
          ),
        ),
      );
      await clock.advance(1_000);
      await done;
      expect(most).toBe(1);
    });

    it('an explicit owner re-enters, wherever it is passed', async () => {
      const { locks } = setUp();
      const owner = locks.createOwner('worker 7');
      expect(owner.label).toBe('worker 7');
      const first = await locks.acquire('k', { owner });
      const second = await locks.acquire('k', { owner });
      const third = await owner.run(() => locks.tryAcquire('k'));
      expect(third?.fencingToken).toBe(first.fencingToken);
      expect(await locks.tryAcquire('k')).toBe(undefined);
      await first.release();
      await second.release();
      expect(third?.state).toBe('held');
      await third?.release();
      expect(await locks.tryAcquire('k')).toBeDefined();
    });

    it('two requests of one owner on their way: the second enters with the first', async () => {
      const { clock, locks } = setUp();
      const held = await locks.acquire('k');
      const owner = locks.createOwner();
      const both = [follow(locks.acquire('k', { owner })), follow(locks.acquire('k', { owner }))];
      await held.release();
      await clock.advance(10);
      expect(both.map((one) => one.state)).toEqual(['resolved', 'resolved']);
      expect(both[0]?.value?.signal).toBe(both[1]?.value?.signal);
    });

    it('reentrant false: LOCK_SELF_DEADLOCK at once, and nothing is lost', async () => {
      const { locks } = setUp();
      await locks.using('k', async (lock) => {
        expect(await codeOf(locks.acquire('k', { reentrant: false }))).toBe('LOCK_SELF_DEADLOCK');
        expect(await codeOf(locks.tryAcquire('k', { reentrant: false }))).toBe('LOCK_SELF_DEADLOCK');
        expect(lock.state).toBe('held');
      });
      expect(await locks.tryAcquire('k')).toBeDefined();
    });

    it('what is lost is not re-entered: a nested acquire competes anew', async () => {
      const { clock, adapter, locks } = setUp();
      const owner = locks.createOwner();
      const first = await locks.acquire('k', { owner });
      await adapter.backend.forceRelease?.('k');
      await clock.advance(1_100);
      expect(first.state).toBe('lost');
      const second = await locks.acquire('k', { owner });
      expect(second.fencingToken).toBeGreaterThan(first.fencingToken!);
      await first.release();
      expect(second.state).toBe('held');
    });
  });
}

describe('using', () => {
  const setUp = () => {
    const clock = manualClock();
    const adapter = faultyAdapter(clock);
    return { clock, adapter, locks: createLocks(adapter, { ttlMs: 3_000, clock }) };
  };

  it('gives back the result, of a plain function too', async () => {
    const { locks } = setUp();
    expect(await locks.using('k', () => 42)).toBe(42);
    expect(await locks.using('k', { ttlMs: 1_000 }, async (lock) => lock.key)).toBe('k');
  });

  it('H56: the result or the error of the body gets out, also when the lock was lost and the release fails', async () => {
    const { clock, adapter, locks } = setUp();
    adapter.otherwise('release', 'rejected before');
    const result = locks.using('k', async () => {
      clock.stall(10_000);
      return 'RESULT';
    });
    await clock.advance(1);
    expect(await result).toBe('RESULT');
    const error = new Error('BUSINESS');
    const failing = locks.using('j', async () => {
      throw error;
    });
    const caught = failing.catch((reason: unknown) => reason);
    await clock.advance(10_000);
    expect(await caught).toBe(error);
  });

  it('a body that throws synchronously releases too', async () => {
    const { adapter, locks } = setUp();
    const failing = locks.using('k', () => {
      throw new Error('at once');
    });
    await expect(failing).rejects.toThrow('at once');
    expect(await adapter.backend.inspect?.('k')).toBe(undefined);
  });

  it('keeps other async contexts of the application', async () => {
    const { locks } = setUp();
    const requests = new AsyncLocalStorage<string>();
    const seen = await requests.run('request 1', () => locks.using('k', () => requests.getStore()));
    expect(seen).toBe('request 1');
  });

  it('a listener of the signal does not act in the name of whoever was running', async () => {
    const clock = manualClock();
    const locks = createLocks(memoryAdapter({ clock }), { clock, ttlMs: 1_000 });
    const lock = await locks.acquire('a');
    let got: unknown = 'nothing yet';
    lock.signal.addEventListener('abort', () => {
      void locks.tryAcquire('b').then((other) => {
        got = other;
      });
    });
    await locks.using('b', async () => {
      await locks.forceRelease('a');
      await clock.advance(1);
    });
    expect(got).toBe(undefined);
  });
});

it('await using releases at the end of the block', async () => {
  const clock = manualClock();
  const locks = createLocks(memoryAdapter({ clock }), { clock });
  {
    await using lock = await locks.acquire('k');
    expect(lock.state).toBe('held');
  }
  expect(await locks.tryAcquire('k')).toBeDefined();
});
