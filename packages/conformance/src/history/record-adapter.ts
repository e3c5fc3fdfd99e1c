import {
  type AcquireAttempt,
  type HoldRef,
  isLockError,
  type LockAdapter,
  type ReleaseOutcome,
  type RenewOutcome,
} from '@holdfast/lock-core';
import { type Notes, reasonOf } from './notes.ts';
import { overlay } from './overlay.ts';

/** The adapter with every request and answer noted. A hold is an owner value, as the contract makes it unique. */
export function recordAdapter(notes: Notes, adapter: LockAdapter): LockAdapter {
  const begin = (f: 'acquire' | 'renew' | 'downgrade' | 'release', { key, owner, claim }: HoldRef, ttlMs?: number) => {
    const asked = f === 'acquire' ? claim : undefined;
    const call = { op: notes.nextId(), f, key, hold: owner, owner, claim: asked } as const;
    const sentAt = notes.now();
    notes.note({ ...call, t: sentAt, kind: 'invoke', deadline: ttlMs === undefined ? undefined : sentAt + ttlMs });
    return { call, sentAt };
  };
  type Begun = ReturnType<typeof begin>;

  /** A rejection is "unknown", except one that no repetition changes. */
  const failed = ({ call }: Begun, error: unknown): never => {
    const definite = isLockError(error) && !error.retryable;
    notes.note({ ...call, kind: definite && call.f === 'acquire' ? 'fail' : 'info', why: reasonOf(error) });
    throw error;
  };
  const renewed = ({ call, sentAt }: Begun, outcome: RenewOutcome): void => {
    if (outcome.status === 'lost') notes.note({ ...call, kind: 'fail', why: 'lost' });
    else notes.note({ ...call, kind: 'ok', deadline: sentAt + outcome.validForMs });
  };

  /** Asks for the hold; only at once is it known when its TTL begins. */
  const acquire = async <T extends Awaited<ReturnType<LockAdapter['tryAcquire']>>>(
    attempt: AcquireAttempt,
    atOnce: boolean,
    ask: (noted: AcquireAttempt) => Promise<T>,
  ): Promise<T> => {
    const begun = begin('acquire', attempt, atOnce ? attempt.ttlMs : undefined);
    const { key, owner, ttlMs, tokens, claim } = attempt;
    const noted: AcquireAttempt = {
      ...{ key, owner, ttlMs, tokens, claim },
      // Read lazily: core creates the signal on demand, since it is expensive.
      get signal() {
        return attempt.signal;
      },
      onQueued() {
        notes.note({ ...begun.call, kind: 'queued' });
        attempt.onQueued?.();
      },
    };
    const outcome = await ask(noted).catch((error: unknown) => failed(begun, error));
    if (outcome.status === 'busy') notes.note({ ...begun.call, kind: 'fail', why: 'busy' });
    else {
      const { fencingToken: fence, tokens, validForMs } = outcome;
      notes.note({ ...begun.call, kind: 'ok', fence, tokens, deadline: begun.sentAt + validForMs });
    }
    return outcome;
  };

  const { enqueue, renewMany, downgrade } = adapter;
  const noted: Partial<LockAdapter> = {
    tryAcquire: (attempt) => acquire(attempt, true, (inner) => adapter.tryAcquire(inner)),
    async renew(hold, ttlMs) {
      const begun = begin('renew', hold, ttlMs);
      const outcome = await adapter.renew(hold, ttlMs).catch((error: unknown) => failed(begun, error));
      renewed(begun, outcome);
      return outcome;
    },
    async release(hold) {
      const begun = begin('release', hold);
      const outcome: ReleaseOutcome = await adapter.release(hold).catch((error: unknown) => failed(begun, error));
      // What could be released was still there when that was asked.
      if (outcome === 'released') notes.note({ ...begun.call, kind: 'ok', deadline: begun.sentAt });
      else notes.note({ ...begun.call, kind: 'fail', why: outcome });
      return outcome;
    },
  };
  if (enqueue) {
    noted.enqueue = (attempt, signal) =>
      acquire(attempt, false, (inner) => Reflect.apply(enqueue, adapter, [inner, signal]));
  }
  if (downgrade) {
    noted.downgrade = async (hold, ttlMs) => {
      const begun = begin('downgrade', hold, ttlMs);
      const downgrading: Promise<RenewOutcome> = Reflect.apply(downgrade, adapter, [hold, ttlMs]);
      const outcome = await downgrading.catch((error: unknown) => failed(begun, error));
      renewed(begun, outcome);
      return outcome;
    };
  }
  if (renewMany) {
    noted.renewMany = async (holds, ttlMs) => {
      const all = holds.map((hold) => begin('renew', hold, ttlMs));
      try {
        const outcomes = await Reflect.apply(renewMany, adapter, [holds, ttlMs]);
        for (const [index, begun] of all.entries()) renewed(begun, outcomes[index]!);
        return outcomes;
      } catch (error) {
        for (const { call } of all) notes.note({ ...call, kind: 'info', why: reasonOf(error) });
        throw error;
      }
    };
  }
  return overlay(adapter, noted);
}
