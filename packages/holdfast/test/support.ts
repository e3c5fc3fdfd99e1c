import { isLockError, type LockError, type LockErrorCode } from '@holdfast/lock-core';

/** The LockError that a promise rejects with; anything else fails the test. */
export async function refusal(promise: Promise<unknown>, code: LockErrorCode): Promise<LockError> {
  const outcome = await promise.then(
    () => new Error('it was accepted'),
    (error: unknown) => error,
  );
  if (!isLockError(outcome, code)) throw outcome;
  return outcome;
}
