import { type AcquireOptions, isLockError, type Lock, type Locks } from '@holdfast/lock-core';
import type { Context } from '../context.ts';

/** Fails unless the client can lock again, as soon as it has found its way back to the backend. */
export async function assertWorks(context: Context, locks: Locks): Promise<void> {
  await context.eventually('the client works again', async () => {
    try {
      await locks.using(context.key(), () => {});
      return true;
    } catch (error) {
      if (isLockError(error, 'LOCK_BACKEND')) return false;
      throw error;
    }
  });
}

/** Acquires a free lock before the faults begin: their time-outs are too short to open a connection first. */
export function acquireBefore(context: Context, locks: Locks, key: string, options?: AcquireOptions): Promise<Lock> {
  return context.eventually('a free key is locked', async () => {
    try {
      return await locks.acquire(key, options);
    } catch (error) {
      if (isLockError(error, 'LOCK_BACKEND')) return undefined;
      throw error;
    }
  });
}
