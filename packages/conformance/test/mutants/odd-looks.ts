import { setTimeout as sleep } from 'node:timers/promises';
import type { AcquireAttempt, HoldRef, LockAdapter } from '@holdfast/lock-core';
import { claimsAdapter, rightRules } from '../support/claims-adapter.ts';
import { now } from '../support/table-adapter.ts';
import type { Mutant } from './mutant.ts';

const composed = (text: string): string => text.normalize('NFC');
const isExclusive = ({ claim }: Pick<HoldRef, 'claim'>): boolean => (claim?.mode ?? 'exclusive') === 'exclusive';

/** The right adapter with other names for those who hold together. */
function withOwners(right: LockAdapter, rename: (owner: string) => string): Partial<LockAdapter> {
  const ref = ({ key, owner, claim, fencingToken }: HoldRef): HoldRef => ({
    key,
    owner: isExclusive({ claim }) ? owner : rename(owner),
    claim,
    fencingToken,
  });
  const request = ({ ttlMs, tokens, signal, ...rest }: AcquireAttempt): AcquireAttempt => ({
    ...ref(rest),
    ttlMs,
    tokens,
    signal,
    onQueued: () => rest.onQueued?.(),
  });
  return {
    tryAcquire: (attempt) => right.tryAcquire(request(attempt)),
    enqueue: (attempt, signal) => right.enqueue!(request(attempt), signal),
    renew: (hold, ttlMs) => right.renew(ref(hold), ttlMs),
    release: (hold) => right.release(ref(hold)),
  };
}

/** What is told of leases and tokens beyond the first grant, and names in lists, places and holders. */
export const oddLookMutants: readonly Mutant[] = [
  {
    bug: 'a busy answer points to the end of a lease that was renewed with a shorter TTL since',
    seenIn: 'H82',
    base: 'queue',
    caughtBy: ['LK-0295'],
    message: /but all leases are over in/,
    adapter(right) {
      const ends = new Map<string, number>();
      const note = ({ key }: { readonly key: string }, ttlMs: number) =>
        ends.set(key, Math.max(ends.get(key) ?? 0, now() + ttlMs));
      return {
        renew(ref, ttlMs) {
          note(ref, ttlMs);
          return right.renew(ref, ttlMs);
        },
        async tryAcquire(attempt) {
          const outcome = await right.tryAcquire(attempt);
          const end = Math.max(...[...ends].filter(([key]) => key === attempt.key).map(([, at]) => at));
          return outcome.status === 'granted' || end < now() ? outcome : { status: 'busy', retryAfterMs: end - now() };
        },
      };
    },
  },
  {
    bug: 'the time that a busy answer tells wraps at 2^31 ms',
    seenIn: 'H9',
    base: 'queue',
    caughtBy: ['LK-0295'],
    message: /retryAfterMs must be a finite number of 0 or more/,
    adapter: (right) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        if (outcome.status === 'granted') return outcome;
        return { status: 'busy', retryAfterMs: Math.trunc(outcome.retryAfterMs!) | 0 };
      },
    }),
  },
  {
    bug: 'inspect tells the last token of a block that permits reserved',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0294'],
    message: /The token that inspect tells of the first of 3/,
    adapter: (right, { claims }) => ({
      async inspect(key) {
        const info = await right.inspect!(key);
        const first = claims.entries.get(key)?.holders[0];
        return info && first?.claim.mode === 'permits'
          ? { ...info, fencingToken: first.token + BigInt(first.tokens) - 1n }
          : info;
      },
    }),
  },
  {
    bug: 'the tokens that permits have reserved are given again when their lease is over',
    seenIn: 'H62',
    base: 'claims',
    caughtBy: ['LK-0301'],
    message: /which ended by itself with tokens up to/,
    adapter(_, { claims }) {
      const { lastOf } = countersOf(claims);
      const right = claimsAdapter(claims, {
        token(store, key, about) {
          if (about.claim.mode === 'shared') return rightRules.token(store, key, about);
          const token = (lastOf.get(key) ?? 0n) + 1n;
          lastOf.set(key, token + BigInt(about.tokens) - 1n);
          if (about.claim.mode === 'exclusive') store.lastWritten.set(key, lastOf.get(key)!);
          return token;
        },
      });
      return {
        ...right,
        tryAcquire(attempt) {
          for (const { claim, expiresAt, token, tokens } of claims.entries.get(attempt.key)?.holders ?? [])
            if (
              claim.mode === 'permits' &&
              now() >= expiresAt &&
              lastOf.get(attempt.key) === token + BigInt(tokens) - 1n
            )
              lastOf.set(attempt.key, token);
          return right.tryAcquire(attempt);
        },
      };
    },
  },
  {
    bug: 'a renewal beyond 2^31 ms, of a hold that others wait for, lets the next one in',
    seenIn: 'H9',
    base: 'claims',
    caughtBy: ['LK-0292'],
    message: /the lease before it lasts for weeks/,
    adapter: (right, { claims }) => ({
      async renew(ref, ttlMs) {
        const outcome = await right.renew(ref, ttlMs);
        if (ttlMs >= 2 ** 31 && claims.entries.get(ref.key)!.queue.length > 0)
          setTimeout(() => void right.forceRelease!(ref.key), 1);
        return outcome;
      },
    }),
  },
  {
    bug: 'keys are listed one a line',
    seenIn: 'never published',
    base: 'queue',
    caughtBy: ['LK-0151'],
    message: /keys left out/,
    adapter: (right) => ({
      keys: async () => ({ keys: (await right.keys!()).keys.join('\n').split('\n').filter(Boolean), next: undefined }),
    }),
  },
  {
    bug: 'a key below which others lie is not listed',
    seenIn: 'never published',
    base: 'queue',
    caughtBy: ['LK-0151'],
    message: /keys left out/,
    adapter: (right) => ({
      async keys() {
        const { keys } = await right.keys!();
        const folders = new Set(keys.map((key) => key.slice(0, Math.max(0, key.lastIndexOf('/')))));
        return { keys: keys.filter((key) => !folders.has(key)), next: undefined };
      },
    }),
  },
  {
    bug: 'the owners of readers and of permits are compared as normalised text',
    seenIn: 'H4',
    base: 'claims',
    caughtBy: ['LK-0302'],
    message: /which was taken for/,
    adapter: (right) => withOwners(right, composed),
  },
  {
    bug: 'places in the queue are kept by the key as normalised text',
    seenIn: 'H86',
    base: 'claims',
    caughtBy: ['LK-0303'],
    message: /a free key is granted by the queue/,
    adapter: (right, { claims }) => ({
      async enqueue(attempt, signal) {
        const isAlike = ({ key }: { readonly key: string }) =>
          key !== attempt.key && composed(key) === composed(attempt.key);
        const isTaken = () =>
          [...claims.entries.values()].some((each) => isAlike(each) && rightRules.live(each.holders).length > 0);
        if (isTaken()) attempt.onQueued?.();
        while (isTaken() && !signal.aborted) await sleep(5);
        return right.enqueue!(attempt, signal);
      },
    }),
  },
];

/** The last token of each key, of one backend. */
const counters = new WeakMap<object, { readonly lastOf: Map<string, bigint> }>();
function countersOf(backend: object): { readonly lastOf: Map<string, bigint> } {
  const known = counters.get(backend) ?? { lastOf: new Map<string, bigint>() };
  counters.set(backend, known);
  return known;
}
