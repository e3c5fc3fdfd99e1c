import { setTimeout as sleep } from 'node:timers/promises';
import type { LockAdapter } from '@holdfast/lock-core';
import { memoryAdapter } from '../../../adapter-memory/src/index.ts';

const SLOW_MS = 10;

/** A client in another process, of a backend that is in that process alone; slow, so that the processes meet. */
export function openAdapter(): LockAdapter {
  const alone = memoryAdapter({ fairness: 'none' });
  return {
    ...alone,
    async tryAcquire(attempt) {
      await sleep(SLOW_MS);
      return alone.tryAcquire(attempt);
    },
  };
}
