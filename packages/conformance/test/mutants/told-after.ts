import { type LockAdapter, LockError } from '@holdfast/lock-core';
import { claimsAdapter } from '../support/claims-adapter.ts';
import { now } from '../support/table-adapter.ts';
import { memoryOf } from './memory.ts';
import type { Inside, Mutant } from './mutant.ts';
import { modeOf } from './odd-queues.ts';
import { listWithout } from './told-of-keys.ts';

/** Leaves a key out of lists from the call that `ends` wraps on, until it is granted again. */
function unlistedAfter(
  right: LockAdapter,
  inside: Inside,
  ends: (leaveOut: (key: string) => void) => Partial<LockAdapter>,
): Partial<LockAdapter> {
  const gone = memoryOf<true>(inside);
  return {
    keys: listWithout(right, (key) => gone.has(key)),
    async tryAcquire(attempt) {
      const outcome = await right.tryAcquire(attempt);
      if (outcome.status === 'granted') gone.delete(attempt.key);
      return outcome;
    },
    ...ends((key) => void gone.set(key, true)),
  };
}

/** What is answered and told after renewals, repeated requests, and the end of one of several holds. */
export const toldAfterMutants: readonly Mutant[] = [
  {
    bug: 'who has downgraded and asks again is told the last token of its block',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0301'],
    message: /changed the token of a hold that was downgraded/,
    adapter: (right, { claims }) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        const own = claims.entries.get(attempt.key)?.holders.find(({ owner }) => owner === attempt.owner);
        if (outcome.status === 'busy' || own?.claim.mode !== 'shared') return outcome;
        return { ...outcome, fencingToken: claims.lastWritten.get(attempt.key) ?? 0n };
      },
    }),
  },
  {
    bug: 'a renewal forgets how many tokens are reserved: who asks again is told of one',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0177'],
    message: /was told of another block/,
    adapter(right) {
      const renewed = new Set<string>();
      return {
        async renew(ref, ttlMs) {
          renewed.add(ref.owner);
          return right.renew(ref, ttlMs);
        },
        async tryAcquire(attempt) {
          const outcome = await right.tryAcquire(attempt);
          return outcome.status === 'granted' && renewed.has(attempt.owner) ? { ...outcome, tokens: 1 } : outcome;
        },
      };
    },
  },
  {
    bug: 'a key is not listed any more once one of its holders has left',
    seenIn: 'never published',
    base: 'queue',
    caughtBy: ['LK-0296'],
    message: /Keys that are held, and that keys leaves out/,
    adapter: (right, inside) =>
      unlistedAfter(right, inside, (leaveOut) => ({
        async release(ref) {
          const answer = await right.release(ref);
          if (answer === 'released') leaveOut(ref.key);
          return answer;
        },
      })),
  },
  {
    bug: 'a key is not listed any more once one of its holders was released by force, by name',
    seenIn: 'never published',
    base: 'queue',
    caughtBy: ['LK-0296'],
    message: /Keys that are held, and that keys leaves out/,
    adapter: (right, inside) =>
      unlistedAfter(right, inside, (leaveOut) => ({
        async forceRelease(key: string, owner?: string) {
          const answer = await right.forceRelease!(key, owner);
          if (answer) leaveOut(key);
          return answer;
        },
      })),
  },
  {
    bug: 'a busy answer points to the end of the lease of a holder that has left',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0295'],
    message: /but all leases are over in/,
    adapter(right, inside) {
      const latest = memoryOf<number>(inside);
      return {
        async tryAcquire(attempt) {
          const outcome = await right.tryAcquire(attempt);
          const { key } = attempt;
          const holders = inside.claims.entries.get(key)?.holders ?? [];
          const before = holders.length > (outcome.status === 'granted' ? 1 : 0) ? (latest.get(key) ?? 0) : 0;
          const until = Math.max(before, ...holders.map(({ expiresAt }) => expiresAt));
          latest.set(key, until);
          return outcome.status === 'busy' ? { ...outcome, retryAfterMs: Math.max(0, until - now()) } : outcome;
        },
      };
    },
  },
  {
    bug: 'who asks the queue again for a longer lease is promised that, and has the first',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0172'],
    message: /enqueued twice was promised/,
    adapter(_, inside) {
      const first = memoryOf<number>(inside);
      const right = claimsAdapter(inside.claims, {
        leaseOfWaiter: ({ attempt }) => first.get(attempt.owner) ?? attempt.ttlMs,
      });
      return {
        ...right,
        enqueue(attempt, signal) {
          if (!first.has(attempt.owner)) first.set(attempt.owner, attempt.ttlMs);
          return right.enqueue!(attempt, signal);
        },
      };
    },
  },
  {
    bug: 'the queue refuses another limit as if asking again could help',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0297', 'LK-0217'],
    message: /LOCK_INVALID_ARGUMENT/,
    adapter: (right) => ({
      enqueue: (attempt, signal) =>
        right.enqueue!(attempt, signal).catch((error: unknown) => {
          if (error instanceof LockError && error.code === 'LOCK_INVALID_ARGUMENT')
            throw new LockError('LOCK_INVALID_ARGUMENT', error.message, { key: attempt.key, retryable: true });
          throw error;
        }),
    }),
  },
  {
    bug: 'when the last waiter for a key leaves, its client gets no more hints for any other',
    seenIn: 'never published',
    base: 'hints',
    caughtBy: ['LK-0182', 'LK-0307'],
    message: /the hint reaches the 2 waiters that stay/,
    adapter(right) {
      const open = new Map<AbortSignal, string>();
      const deaf = new WeakSet<AbortSignal>();
      return {
        async whenFree(key, signal) {
          if (!open.has(signal)) {
            open.set(signal, key);
            signal.addEventListener('abort', () => {
              open.delete(signal);
              if (![...open.values()].includes(key)) for (const other of open.keys()) deaf.add(other);
            });
          }
          await right.whenFree!(key, signal);
          if (!deaf.has(signal)) return;
          await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
        },
      };
    },
  },
  {
    bug: 'a writer that asks again as a reader becomes one',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0371'],
    message: /must be told "busy": a writer holds it, which asked again as a reader/,
    adapter: (right, { claims }) => ({
      async tryAcquire(attempt) {
        const own = claims.entries.get(attempt.key)?.holders.find(({ owner }) => owner === attempt.owner);
        const outcome = await right.tryAcquire(attempt);
        if (own && own.expiresAt > now() && modeOf(attempt) === 'shared') own.claim = { mode: 'shared' };
        return outcome;
      },
    }),
  },
  {
    bug: 'inspect counts waiters that have left',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0294'],
    message: /2 waiters are queued/,
    adapter(right, inside) {
      const left = memoryOf<number>(inside);
      return {
        enqueue(attempt, signal) {
          const result = right.enqueue!(attempt, signal);
          result.catch(() => left.set(attempt.key, (left.get(attempt.key) ?? 0) + 1));
          return result;
        },
        async inspect(key) {
          const info = await right.inspect!(key);
          if (info === undefined) left.delete(key);
          return info && { ...info, waiters: (info.waiters ?? 0) + (left.get(key) ?? 0) };
        },
      };
    },
  },
  {
    bug: 'inspect tells no limit once the first holder of permits has left',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0220'],
    message: /inspect of a semaphore/,
    adapter(right, inside) {
      const first = memoryOf<string>(inside);
      return {
        async tryAcquire(attempt) {
          const isFree = !inside.claims.entries.get(attempt.key)?.holders.length;
          const outcome = await right.tryAcquire(attempt);
          if (outcome.status === 'granted' && isFree) first.set(attempt.key, attempt.owner);
          return outcome;
        },
        async inspect(key) {
          const info = await right.inspect!(key);
          return info && first.has(key) && first.get(key) !== info.owner ? { ...info, limit: undefined } : info;
        },
      };
    },
  },
];
