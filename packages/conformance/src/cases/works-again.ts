import { isLockError, type Locks } from '@holdfast/lock-core';
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
