import type { AcquireAttempt, LockAdapter } from '@holdfast/lock-core';
import type { Failure } from './held.ts';

/** What lock-core promises every adapter, looked at between the two. */
export interface AdapterWatch {
  watch(adapter: LockAdapter, who: string): LockAdapter;
  /** Calls without an answer, and subscriptions that nobody has ended. */
  readonly open: ReadonlySet<object>;
  /** The process that has asked for the lock by this owner ID. */
  processOf(owner: string): string | undefined;
  /** All locks are closed: no subscription may go on. */
  lookAtTheEnd(): void;
}

// What was answered "busy" or released, by owner ID.
type Past = 'was told that the key is busy' | 'was released';

/**
 * An owner ID never asks again once a release was sent for it, or once it was told `busy`; nothing is renewed after its release;
 * what is open at one time is in proportion to the calls of the application.
 */
export function createAdapterWatch(
  fail: (rule: Failure['rule'], message: string) => void,
  mostOpen: number,
): AdapterWatch {
  const past = new Map<string, Past>();
  const open = new Set<object>();
  const processes = new Map<string, string>();
  const subscriptions = new Set<AbortSignal>();

  function look(call: string, owner: string, who: string): void {
    const was = past.get(owner);
    if (was === undefined || (was !== 'was released' && call === 'renew')) return;
    fail('asks again', `${who} calls ${call} for the owner ${owner}, who ${was}`);
  }

  function watched<T>(who: string, call: () => Promise<T>): Promise<T> {
    const entry = {};
    open.add(entry);
    if (open.size > mostOpen) fail('too many requests', `${who} has ${open.size} requests without an answer`);
    const done = (): void => void open.delete(entry);
    const answer = call();
    answer.then(done, done);
    return answer;
  }

  function watch(adapter: LockAdapter, who: string): LockAdapter {
    const own: LockAdapter = {
      ...adapter,
      tryAcquire(attempt: AcquireAttempt) {
        look('tryAcquire', attempt.owner, who);
        processes.set(attempt.owner, who);
        return watched(who, async () => {
          const outcome = await adapter.tryAcquire(attempt);
          // A grant to a repetition that was sent before counts, whatever comes in between.
          if (outcome?.status === 'busy' && !past.has(attempt.owner))
            past.set(attempt.owner, 'was told that the key is busy');
          return outcome;
        });
      },
      renew(hold, ttlMs) {
        look('renew', hold.owner, who);
        return watched(who, () => adapter.renew(hold, ttlMs));
      },
      release(hold) {
        past.set(hold.owner, 'was released');
        return watched(who, () => adapter.release(hold));
      },
    };
    const { enqueue, renewMany, whenFree } = adapter;
    if (renewMany !== undefined)
      own.renewMany = (holds, ttlMs) => {
        for (const { owner } of holds) look('renew', owner, who);
        return watched(who, () => renewMany.call(adapter, holds, ttlMs));
      };
    if (enqueue !== undefined)
      own.enqueue = (attempt, signal) => {
        look('enqueue', attempt.owner, who);
        processes.set(attempt.owner, who);
        return watched(who, () => enqueue.call(adapter, attempt, signal));
      };
    if (whenFree !== undefined)
      own.whenFree = (key, signal) => {
        subscriptions.add(signal);
        return whenFree.call(adapter, key, signal);
      };
    return own;
  }

  return {
    open,
    processOf: (owner) => processes.get(owner),
    watch,
    lookAtTheEnd() {
      const left = [...subscriptions].filter(({ aborted }) => !aborted).length;
      if (left > 0) fail('left behind', `${left} subscriptions that nobody has ended, though all locks are closed`);
    },
  };
}
