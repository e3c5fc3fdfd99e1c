import { isLockError, type LockError, type LockErrorCode } from '@holdfast/lock-core';
import { expect } from 'vitest';
import { type LocksConfig, openLocks } from '../src/index.ts';

/** The LockError that a promise rejects with; anything else fails the test. */
export async function refusal(promise: Promise<unknown>, code: LockErrorCode): Promise<LockError> {
  const outcome = await promise.then(
    () => new Error('it was accepted'),
    (error: unknown) => error,
  );
  if (!isLockError(outcome, code)) throw outcome;
  return outcome;
}

/** Opens the same configuration twice and sees whether the two exclude each other. */
export async function expectExclusion(config: LocksConfig): Promise<string> {
  await using first = await openLocks(config);
  await using second = await openLocks(config);
  const lock = await first.acquire('excluded');
  expect(await second.tryAcquire('excluded')).toBeUndefined();
  expect(await lock.release()).toBe('released');
  const next = await second.acquire('excluded');
  expect(next.fencingToken! > lock.fencingToken!).toBe(true);
  await next.release();
  return first.adapter.name;
}
