import { setTimeout as sleep } from 'node:timers/promises';
import type { AcquireAttempt, LockAdapter } from '@holdfast/lock-core';
import type { Mutant } from './mutant.ts';

/** An attempt as another one would make it. */
const as = (attempt: AcquireAttempt, more: Partial<AcquireAttempt>): AcquireAttempt => {
  const { key, owner, ttlMs, tokens, claim, signal } = attempt;
  return { key, owner, ttlMs, tokens, claim, signal, onQueued: () => attempt.onQueued?.(), ...more };
};

/** How many wait for a key, as its waiters were counted here. */
const waiting = new Map<string, number>();

function counted(right: LockAdapter): NonNullable<LockAdapter['enqueue']> {
  return async (attempt, signal) => {
    waiting.set(attempt.key, (waiting.get(attempt.key) ?? 0) + 1);
    try {
      return await right.enqueue!(attempt, signal);
    } finally {
      waiting.set(attempt.key, waiting.get(attempt.key)! - 1);
    }
  };
}

/** The places that the next forced release of a key takes. */
const dropping = new Map<string, AbortController[]>();

/** Nobody answers; only the caller can end it. */
function forgotten(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** What a queue promises and does not keep. */
export const queuePromiseMutants: readonly Mutant[] = [
  {
    bug: 'who is granted by the queue has half of the lease that it is promised',
    seenIn: 'H82',
    base: 'queue',
    caughtBy: ['LK-0169'],
    message: /before the lease could have ended|The queue promised/,
    adapter: (right) => ({
      async enqueue(attempt, signal) {
        const granted = await right.enqueue!(as(attempt, { ttlMs: Math.ceil(attempt.ttlMs / 2) }), signal);
        return { ...granted, validForMs: granted.validForMs + attempt.ttlMs / 2 };
      },
    }),
  },
  {
    bug: 'who asks at the moment at which a hold ends passes the queue',
    seenIn: 'H77',
    base: 'queue',
    caughtBy: ['LK-0170'],
    message: /passed those who were queued/,
    adapter: (right) => ({
      enqueue: counted(right),
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        const remainingMs = (await right.inspect!(attempt.key))?.remainingMs ?? 0;
        if (outcome.status === 'granted' || (waiting.get(attempt.key) ?? 0) === 0 || remainingMs > 25) return outcome;
        await right.forceRelease!(attempt.key);
        return { status: 'granted', fencingToken: 1_000_000n, validForMs: attempt.ttlMs };
      },
    }),
  },
  {
    bug: 'a hold that others wait for cannot be renewed',
    seenIn: 'never published',
    base: 'queue',
    caughtBy: ['LK-0171'],
    message: /The renewal of an exclusive hold that others wait for/,
    adapter: (right) => ({
      enqueue: counted(right),
      renew: async (hold, ttlMs) => ((waiting.get(hold.key) ?? 0) > 0 ? { status: 'lost' } : right.renew(hold, ttlMs)),
    }),
  },
  {
    bug: 'a second call of an owner for its place in the queue is a second place',
    seenIn: 'H64',
    base: 'queue',
    caughtBy: ['LK-0172'],
    message: /2 waiters are queued|both calls of one owner are answered|different fencing tokens/,
    adapter(right) {
      const places = new Map<string, number>();
      return {
        async enqueue(attempt, signal) {
          const nth = (places.get(attempt.owner) ?? 0) + 1;
          places.set(attempt.owner, nth);
          return right.enqueue!(nth > 1 ? as(attempt, { owner: `${attempt.owner}-${nth}` }) : attempt, signal);
        },
      };
    },
  },
  {
    bug: 'a waiter that asked for several tokens is told that it has them, and one is reserved',
    seenIn: 'H62',
    base: 'queue',
    caughtBy: ['LK-0173'],
    message: /had reserved up to|After a block/,
    adapter: (right) => ({
      async enqueue(attempt, signal) {
        const granted = await right.enqueue!(as(attempt, { tokens: 1 }), signal);
        return { ...granted, tokens: attempt.tokens };
      },
    }),
  },
  {
    bug: 'a waiter is not told when the hold ends by itself: it looks every two seconds',
    seenIn: 'H38',
    base: 'queue',
    caughtBy: ['LK-0168'],
    message: /later than the declared overshoot|a queued waiter gets the key/,
    adapter: (right) => ({
      async enqueue(attempt, signal) {
        const calledAt = performance.now();
        attempt.onQueued?.();
        for (;;) {
          signal.throwIfAborted();
          const outcome = await right.tryAcquire(attempt);
          if (outcome.status === 'granted')
            return { ...outcome, validForMs: outcome.validForMs + performance.now() - calledAt };
          await new Promise((resolve) => setTimeout(resolve, 2_000));
        }
      },
    }),
  },
  {
    bug: 'when a waiter leaves, the others of its client get no more hints for the key',
    seenIn: 'H40',
    base: 'hints',
    caughtBy: ['LK-0182'],
    message: /the hint reaches/,
    adapter(right) {
      const left = new Set<string>();
      const known = new WeakSet<AbortSignal>();
      return {
        whenFree(key, signal) {
          if (known.has(signal)) return deafOnceLeft(right, left, key, signal);
          known.add(signal);
          signal.addEventListener('abort', () => left.add(key), { once: true });
          return right.whenFree!(key, signal);
        },
      };
    },
  },
  {
    bug: 'enqueue confirms a place twice',
    seenIn: 'never published',
    base: 'queue',
    caughtBy: ['LK-0197'],
    message: /was confirmed 2 times/,
    adapter: (right) => ({
      enqueue(attempt, signal) {
        const onQueued = () => {
          attempt.onQueued?.();
          attempt.onQueued?.();
        };
        return right.enqueue!(as(attempt, { onQueued }), signal);
      },
    }),
  },
  {
    bug: 'enqueue confirms a place before it has asked for it',
    seenIn: 'H37',
    base: 'queue',
    caughtBy: ['LK-0198'],
    message: /passed a waiter whose place was confirmed/,
    adapter: (right) => ({
      async enqueue(attempt, signal) {
        attempt.onQueued?.();
        await sleep(40);
        return right.enqueue!(as(attempt, { onQueued: undefined }), signal);
      },
    }),
  },
  {
    bug: 'a queue has sixteen places, and forgets who comes later',
    seenIn: 'H43',
    base: 'queue',
    caughtBy: ['LK-0197'],
    message: /waiters are served/,
    adapter(right) {
      const enqueue = counted(right);
      return {
        enqueue(attempt, signal) {
          if ((waiting.get(attempt.key) ?? 0) < 16) return enqueue(attempt, signal);
          attempt.onQueued?.();
          return forgotten(signal);
        },
      };
    },
  },
  {
    bug: 'a forced release frees the places in the queue too',
    seenIn: 'never published',
    base: 'queue',
    caughtBy: ['LK-0198'],
    message: /passed a waiter whose place was confirmed|waiter is granted/,
    adapter: (right) => ({
      enqueue(attempt, signal) {
        const dropped = new AbortController();
        dropping.set(attempt.key, [...(dropping.get(attempt.key) ?? []), dropped]);
        const granted = right.enqueue!(attempt, AbortSignal.any([signal, dropped.signal]));
        return granted.catch((error) => (dropped.signal.aborted ? forgotten(signal) : Promise.reject(error)));
      },
      async forceRelease(key, owner) {
        for (const dropped of dropping.get(key) ?? []) dropped.abort();
        return right.forceRelease!(key, owner);
      },
    }),
  },
];

/** The next hint, unless somebody has left before it comes. */
async function deafOnceLeft(right: LockAdapter, left: ReadonlySet<string>, key: string, signal: AbortSignal) {
  await right.whenFree!(key, signal);
  if (left.has(key)) await deaf(signal);
}

const deaf = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
