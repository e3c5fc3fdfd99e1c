import { afterEach, describe, expect, it, vi } from 'vitest';
import { memoryAdapter, memoryStore } from '../../adapter-memory/src/index.ts';
import { createLocks } from '../src/index.ts';

// What vitest fakes by default, and everything that it can fake in a child process; Jest uses the same library.
const all = [
  ...['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate', 'clearImmediate'],
  ...['queueMicrotask', 'Date', 'performance', 'hrtime'],
] as NonNullable<NonNullable<Parameters<typeof vi.useFakeTimers>[0]>['toFake']>;

const fakes = { 'the default ones': undefined, 'all of them': { toFake: all } };
const real = { setTimeout };
const wait = (ms: number): Promise<void> => new Promise((resolve) => real.setTimeout(resolve, ms));

afterEach(() => vi.useRealTimers());

/** Waits in the real time, whatever is faked. */
async function within<T>(promise: Promise<T>, ms = 3_000): Promise<T | 'nothing'> {
  return Promise.race([promise, wait(ms).then(() => 'nothing' as const)]);
}

for (const [which, options] of Object.entries(fakes)) {
  describe(`fake timers of a test framework (${which}) cannot wedge shared locks (H129)`, () => {
    for (const fairness of ['none', 'fifo'] as const) {
      const shared = () => {
        const store = memoryStore();
        const adapter = memoryAdapter({ store, fairness });
        const renewed = vi.spyOn(adapter, 'renew');
        const [locks, other] = [adapter, memoryAdapter({ store, fairness })].map((one) =>
          createLocks(one, { ttlMs: 900 }),
        );
        return { locks: locks!, other: other!, renewed };
      };

      it(`a wait that began under fake timers goes on when they are gone (${fairness})`, async () => {
        const { locks, other } = shared();
        const held = await other.acquire('k', { ttlMs: 60_000 });
        vi.useFakeTimers(options);
        const waiting = within(locks.acquire('k', { waitMs: 60 }).catch((error) => error.code));
        const next = within(locks.acquire('k'));
        vi.useRealTimers();
        expect(await waiting).toBe('LOCK_TIMEOUT');
        await held.release();
        expect(await next).toMatchObject({ state: 'held' });
      });

      it(`a wait that began before goes on under fake timers, and the watchdog renews (${fairness})`, async () => {
        const { locks, other, renewed } = shared();
        const held = await locks.acquire('k');
        const waiting = within(other.acquire('k', { waitMs: 50 }).catch((error) => error.code));
        vi.useFakeTimers(options);
        expect(await waiting).toBe('LOCK_TIMEOUT');
        for (let looked = 0; looked < 200 && renewed.mock.calls.length === 0; looked += 1) await wait(10);
        expect(renewed).toHaveBeenCalled();
        expect(await within(held.release())).toBe('released');
        vi.useRealTimers();
        expect(await within(other.using('k', () => 'done'))).toBe('done');
      });

      it(`time that a test makes up ends no lease (${fairness})`, async () => {
        const { locks, other } = shared();
        vi.useFakeTimers(options);
        const held = await other.acquire('k', { ttlMs: 30_000 });
        vi.advanceTimersByTime(86_400_000);
        expect(held.state).toBe('held');
        vi.useRealTimers();
        expect(held.state).toBe('held');
        vi.useFakeTimers(options);
        vi.advanceTimersByTime(86_400_000);
        expect(await within(locks.tryAcquire('k'))).toBe(undefined);
        vi.useRealTimers();
        await wait(20);
        expect(held.state).toBe('held');
        await Promise.all([locks.close(), other.close()]);
      });
    }

    it('locks of a module that was loaded under fake timers live on without them', async () => {
      vi.useFakeTimers(options);
      vi.resetModules();
      const core = await import('../src/index.ts');
      const { memoryAdapter: freshAdapter } = await import('../../adapter-memory/src/index.ts');
      vi.useRealTimers();
      const locks = core.createLocks(freshAdapter());
      await locks.acquire('k');
      expect(await within(locks.acquire('k', { waitMs: 50 }).catch((error) => error.code))).toBe('LOCK_TIMEOUT');
      await within(locks.close());
    });
  });
}
