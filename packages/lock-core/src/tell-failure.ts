import type { Waiter } from './acquisition.ts';
import type { Lock } from './api.ts';
import { channels } from './diagnostics.ts';
import { isLockError } from './errors.ts';

/** Runs an acquisition for somebody who listens: when it ends without the lock, the channel `fail` says so. */
export function tellFailure(
  adapter: string,
  waiter: Waiter,
  now: () => number,
  acquire: () => Promise<Lock | undefined>,
): Promise<Lock | undefined> {
  const tell = (outcome: string, reason: unknown): void => {
    const { key, acquisition, request, startedAt } = waiter;
    const waitedMs = now() - startedAt;
    channels.fail.publish({ adapter, key, acquisition, owner: request.owner, outcome, waitedMs, reason });
  };
  const rejected = (error: unknown): never => {
    const aborted = waiter.terms.signal?.aborted === true && error === waiter.terms.signal.reason;
    tell(aborted ? 'aborted' : isLockError(error, 'LOCK_TIMEOUT') ? 'timeout' : 'error', error);
    throw error;
  };
  try {
    return acquire().then((lock) => {
      if (lock === undefined) tell('busy', undefined);
      return lock;
    }, rejected);
  } catch (error) {
    return rejected(error);
  }
}
