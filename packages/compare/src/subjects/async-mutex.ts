import { Mutex } from 'async-mutex';
import type { Subject } from './subject.ts';

/** The mutex of one process that many programs use: no lease, no token, nothing to lose. */
export function asyncMutexSubject(): Subject {
  const mutex = new Mutex();
  return {
    async cycle() {
      const release = await mutex.acquire();
      release();
    },
    async close() {},
  };
}
