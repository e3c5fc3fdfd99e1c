import { setTimeout as sleep } from 'node:timers/promises';
import { memoryAdapter } from '@holdfast/adapter-memory';
import { createLocks } from '@holdfast/lock-core';
import { E_ALREADY_LOCKED, Mutex, Semaphore, tryAcquire } from 'async-mutex';
import { describe, expect, it } from 'vitest';

/** Whether it is still pending after a while in which all that can go on has gone on. */
const hangs = async (promise: Promise<unknown>): Promise<boolean> =>
  (await Promise.race([promise, sleep(50, 'pending')])) === 'pending';

describe('from async-mutex', () => {
  it('A busy lock', async () => {
    const mutex = new Mutex();
    await mutex.acquire();
    await expect(tryAcquire(mutex).acquire()).rejects.toBe(E_ALREADY_LOCKED);

    await using locks = createLocks(memoryAdapter());
    await using _held = await locks.acquire('report');
    expect(await locks.tryAcquire('report')).toBeUndefined();
  });

  it('The same lock in its own body', async () => {
    const mutex = new Mutex();
    expect(await hangs(mutex.runExclusive(() => mutex.runExclusive(() => 'inside')))).toBe(true);

    await using locks = createLocks(memoryAdapter());
    expect(await locks.using('report', () => locks.using('report', () => 'inside'))).toBe('inside');
    const nested = locks.using('report', () => locks.using('report', { reentrant: false }, () => 'inside'));
    await expect(nested).rejects.toMatchObject({ code: 'LOCK_SELF_DEADLOCK' });
  });

  it('A task that never ends', async () => {
    const mutex = new Mutex();
    await mutex.acquire();
    expect(await hangs(mutex.acquire())).toBe(true);

    await using locks = createLocks(memoryAdapter());
    const hung = await locks.acquire('report', { maxHoldMs: 50 });
    await using _next = await locks.acquire('report');
    expect(hung.state).toBe('lost');
  });

  it('More permits than there are', async () => {
    const semaphore = new Semaphore(2);
    expect(await hangs(semaphore.acquire(3))).toBe(true);

    await using locks = createLocks(memoryAdapter());
    const asked = locks.semaphore('pool', 2).acquire({ permits: 3 });
    await expect(asked).rejects.toMatchObject({ code: 'LOCK_INVALID_ARGUMENT' });
  });
});
