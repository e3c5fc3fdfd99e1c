import { type ClaimEntry, claimsAdapter, rightRules } from '../support/claims-adapter.ts';
import type { Inside, Mutant } from './mutant.ts';

/** A right adapter that lets in no more than one waiter during a call. */
const oneOnly = (inside: Inside) => {
  let left: number | undefined;
  const right = claimsAdapter(inside.claims, {
    next(entry, fits) {
      if (left === 0) return undefined;
      const waiter = rightRules.next(entry, fits);
      if (waiter !== undefined && left !== undefined) left--;
      return waiter;
    },
  });
  const once = async <T>(call: () => Promise<T>): Promise<T> => {
    left = 1;
    try {
      return await call();
    } finally {
      left = undefined;
    }
  };
  return { right, once };
};

const stopTimer = (entry: ClaimEntry | undefined): void => {
  clearTimeout(entry?.timer);
};

/** What was done before, or by another one, and is remembered or forgotten wrongly. */
export const afterOthersMutants: readonly Mutant[] = [
  {
    bug: 'a waiter that leaves stops the timer for the end of the lease: those behind it are told of nothing',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0370'],
    message: /the one before it in the queue had left/,
    adapter: (right, { claims }) => ({
      enqueue(attempt, signal) {
        const result = right.enqueue!(attempt, signal);
        const stop = () => stopTimer(claims.entries.get(attempt.key));
        signal.addEventListener('abort', stop, { once: true });
        const settled = () => signal.removeEventListener('abort', stop);
        result.then(settled, settled);
        return result;
      },
      async release(ref) {
        const answer = await right.release(ref);
        if (answer === 'not-held') stopTimer(claims.entries.get(ref.key));
        return answer;
      },
    }),
  },
  {
    bug: 'a hold that was renewed twice while others wait wakes nobody when it ends',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0370'],
    message: /renewed more than once meanwhile/,
    adapter(right, { claims }) {
      const renewals = new Map<string, number>();
      return {
        async renew(ref, ttlMs) {
          const answer = await right.renew(ref, ttlMs);
          const entry = claims.entries.get(ref.key);
          if (!entry || entry.queue.length === 0) return answer;
          renewals.set(ref.owner, (renewals.get(ref.owner) ?? 0) + 1);
          if (renewals.get(ref.owner)! >= 2) stopTimer(entry);
          return answer;
        },
      };
    },
  },
  {
    bug: 'a forced release lets in one waiter, though more fit beside it',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0299'],
    message: /after a forced release/,
    adapter(_, inside) {
      const { right, once } = oneOnly(inside);
      return { ...right, forceRelease: (key: string, owner?: string) => once(() => right.forceRelease!(key, owner)) };
    },
  },
  {
    bug: 'a waiter that leaves lets in one of those behind it, though more fit',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0202'],
    message: /those at the head of the queue are granted/,
    adapter(_, inside) {
      let aborting: string | undefined;
      let left = 0;
      const right = claimsAdapter(inside.claims, {
        leave(entry, waiter) {
          rightRules.leave(entry, waiter);
          aborting = entry.key;
          left = 1;
        },
        next(entry, fits) {
          const waiter = rightRules.next(entry, fits);
          if (waiter === undefined || aborting !== entry.key) return waiter;
          if (left-- > 0) return waiter;
          aborting = undefined;
          return undefined;
        },
      });
      return right;
    },
  },
];
