import { getEventListeners, getMaxListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { memoryAdapter } from '../../adapter-memory/src/index.ts';
import { type AcquireAttempt, createLocks, type LockAdapter } from '../src/index.ts';

// Node warns from the eleventh listener on, unless the signal says that any number is meant.
const unlimited = Number.POSITIVE_INFINITY;

describe('signals that many listen to', () => {
  it("a holder may pass the lock's signal to everything it does", async () => {
    const locks = createLocks(memoryAdapter());
    const lock = await locks.acquire('k');
    expect(getMaxListeners(lock.signal)).toBe(unlimited);
    await locks.close();
  });

  it('an adapter may listen with each attempt, and to each hint', async () => {
    const { enqueue: _, ...polled } = memoryAdapter();
    const attempts: AcquireAttempt[] = [];
    const hints: AbortSignal[] = [];
    const adapter: LockAdapter = {
      ...polled,
      tryAcquire: (attempt) => {
        attempts.push(attempt);
        return polled.tryAcquire(attempt);
      },
      whenFree: async (_key, signal) => {
        hints.push(signal);
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
      },
    };
    const locks = createLocks(adapter);
    const other = createLocks(polled);
    const lock = await other.acquire('k');
    const waiting = locks.acquire('k', { waitMs: 60_000 }).catch(() => {});
    await expect.poll(() => hints.length).toBeGreaterThan(0);
    expect(getMaxListeners(attempts[0]!.signal)).toBe(unlimited);
    expect(getMaxListeners(hints[0]!)).toBe(unlimited);
    await lock.release();
    await Promise.all([locks.close(), other.close(), waiting]);
  });

  it('many Locks may wait on one signal of a caller without a warning, and leave nothing on it', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on('warning', onWarning);
    const controller = new AbortController();
    const { signal } = controller;
    const adapter = memoryAdapter();
    const held = await createLocks(adapter).acquire('k');
    const all = Array.from({ length: 15 }, () => createLocks(adapter));
    const waiting = all.map((locks) => locks.acquire('k', { signal }).catch((error: unknown) => error));
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    const reason = { why: 'enough' };
    controller.abort(reason);
    for (const outcome of await Promise.all(waiting)) expect(outcome).toBe(reason);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
    await held.release();
  });
});
