import { setTimeout as sleep } from 'node:timers/promises';
import type { AcquireAttempt, Claim, LockAdapter } from '@holdfast/lock-core';
import { type ClaimEntry, type ClaimHolder, claimsAdapter, rightRules } from '../support/claims-adapter.ts';
import { now } from '../support/table-adapter.ts';
import { holdOf } from './claim-leases.ts';
import type { Inside, Mutant } from './mutant.ts';
import { withRules } from './readers.ts';

export const modeOf = ({ claim }: { readonly claim?: Claim | undefined }): Claim['mode'] => claim?.mode ?? 'exclusive';
const entryOf = ({ claims }: Inside, key: string): ClaimEntry | undefined => claims.entries.get(key);

/** The same request with something else in it. */
export const attemptWith = (
  { key, owner, ttlMs, tokens, claim, signal, ...more }: AcquireAttempt,
  over: Partial<AcquireAttempt>,
): AcquireAttempt => ({
  ...{ key, owner, ttlMs, tokens, claim, signal },
  onQueued: () => more.onQueued?.(),
  ...over,
});

/** How many more may be let in before somebody leaves; on the list of holders, which a release makes anew. */
type Counted = ClaimHolder[] & { left?: number };

/** Lets one waiter in, and the next with the next release, after what `begins` says. */
const oneAtATime = (begins: (before: Counted, live: Counted) => boolean): NonNullable<Mutant['adapter']> =>
  withRules({
    live(holders) {
      const [before, live]: Counted[] = [holders as Counted, rightRules.live(holders)];
      if (begins(before!, live!)) live!.left = 1;
      else if (before!.left !== undefined) live!.left = before!.left;
      return live!;
    },
    next(entry, fits) {
      const holders: Counted = entry.holders;
      if (holders.left === 0) return undefined;
      const waiter = rightRules.next(entry, fits);
      if (waiter && holders.left !== undefined) holders.left -= 1;
      return waiter;
    },
  });

const noHints = new Set<string>();
const renewedOwners = new Set<string>();

/** What the queue does beside a release, and who asks it again. */
export const oddQueueMutants: readonly Mutant[] = [
  {
    bug: 'the queue gives half of the lease that it promises, of a key that is free',
    seenIn: 'H82',
    base: 'claims',
    caughtBy: ['LK-0290', 'LK-0291'],
    message: /granted by the queue, of a free key/,
    adapter: (right, inside) => ({
      async enqueue(attempt, signal) {
        let isQueued = false;
        const onQueued = () => {
          isQueued = true;
          attempt.onQueued?.();
        };
        const granted = await right.enqueue!(attemptWith(attempt, { onQueued }), signal);
        const hold = holdOf(inside, attempt);
        if (hold && !isQueued) hold.expiresAt = Math.min(hold.expiresAt, now() + attempt.ttlMs / 2);
        return granted;
      },
    }),
  },
  {
    bug: 'the holder that asks the queue is promised a fresh lease, and keeps the old one',
    seenIn: 'H12',
    base: 'claims',
    caughtBy: ['LK-0290', 'LK-0291'],
    message: /asked for again, by the queue/,
    adapter: (right, inside) => ({
      async enqueue(attempt, signal) {
        const hold = holdOf(inside, attempt);
        const expiresAt = hold?.expiresAt;
        const granted = await right.enqueue!(attempt, signal);
        if (hold && expiresAt !== undefined) hold.expiresAt = expiresAt;
        return granted;
      },
    }),
  },
  {
    bug: 'who is let in by the end of a lease, and reads, has half of the lease that it is promised',
    seenIn: 'H82',
    base: 'claims',
    caughtBy: ['LK-0290', 'LK-0291'],
    message: /granted by the queue, when a lease ended, of a shared hold/,
    adapter(_, { claims }) {
      let isOver = false;
      return claimsAdapter(claims, {
        live(holders) {
          const live = rightRules.live(holders);
          isOver = live.length < holders.length;
          return live;
        },
        leaseOfWaiter: ({ attempt, claim }) => attempt.ttlMs / (isOver && claim.mode === 'shared' ? 2 : 1),
      });
    },
  },
  {
    bug: 'a reader that asks again while a writer waits is busy',
    seenIn: 'H97',
    base: 'claims',
    caughtBy: ['LK-0171'],
    message: /The request of the owner of a shared hold/,
    adapter: (right, inside) => ({
      tryAcquire: async (attempt) =>
        holdOf(inside, attempt, 'shared') && entryOf(inside, attempt.key)!.queue.length > 0
          ? { status: 'busy' }
          : right.tryAcquire(attempt),
    }),
  },
  {
    bug: 'who reads or has permits, and asks the queue, waits for itself',
    seenIn: 'H64',
    base: 'claims',
    caughtBy: ['LK-0171', 'LK-0290'],
    message: /enqueue of the owner of a shared hold that others wait for is answered at once/,
    adapter: (right, inside) => ({
      enqueue(attempt, signal) {
        const { mode } = holdOf(inside, attempt)?.claim ?? {};
        if (mode === undefined || mode === 'exclusive') return right.enqueue!(attempt, signal);
        attempt.onQueued?.();
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      },
    }),
  },
  {
    bug: 'the end of a lease lets in one waiter, though more fit beside it',
    seenIn: 'H92, H95',
    base: 'claims',
    caughtBy: ['LK-0299'],
    message: /are let in together, after the end of a lease/,
    adapter: oneAtATime((before, live) => live.length < before.length),
  },
  {
    bug: 'a place that is given back by a release lets in nobody of those behind it',
    seenIn: 'H105',
    base: 'claims',
    caughtBy: ['LK-0299'],
    message: /the one before it gave back its place/,
    adapter: (right, inside) => ({
      async release(ref) {
        const entry = entryOf(inside, ref.key);
        const place = entry?.queue.find(({ attempt }) => attempt.owner === ref.owner);
        if (entry === undefined || place === undefined) return right.release(ref);
        entry.queue = entry.queue.filter((each) => each !== place);
        return 'not-held';
      },
    }),
  },
  {
    bug: 'an owner that asks the queue again goes to its end',
    seenIn: 'H64',
    base: 'claims',
    caughtBy: ['LK-0172'],
    message: /both calls of one owner are answered/,
    adapter: (right, inside) => ({
      enqueue(attempt, signal) {
        const queue = entryOf(inside, attempt.key)?.queue ?? [];
        const place = queue.findIndex((each) => each.attempt.owner === attempt.owner);
        if (place >= 0) queue.push(...queue.splice(place, 1));
        return right.enqueue!(attempt, signal);
      },
    }),
  },
  {
    bug: 'who waits and asks as well has no place any more',
    seenIn: 'the PostgreSQL adapter until now',
    base: 'claims',
    caughtBy: ['LK-0321'],
    message: /which had asked as well|of an owner that waits, behind others/,
    adapter: (right, inside) => ({
      tryAcquire(attempt) {
        const entry = entryOf(inside, attempt.key);
        if (entry) entry.queue = entry.queue.filter((each) => each.attempt.owner !== attempt.owner);
        return right.tryAcquire(attempt);
      },
    }),
  },
  {
    bug: 'a hold that was renewed jointly with a shorter TTL passes to its waiter at the old end',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0292'],
    message: /that was renewed jointly meanwhile/,
    adapter: (right, inside) => ({
      async renewMany(refs, ttlMs) {
        const renewOne = async (ref: (typeof refs)[number]): ReturnType<LockAdapter['renew']> => {
          const hold = holdOf(inside, ref);
          if (hold === undefined || now() + ttlMs > hold.expiresAt) return right.renew(ref, ttlMs);
          hold.expiresAt = now() + ttlMs;
          return { status: 'renewed', validForMs: ttlMs };
        };
        return Promise.all(refs.map(renewOne));
      },
    }),
  },
  {
    bug: 'of several readers that are renewed together those behind one that is over are lost',
    seenIn: 'H17',
    base: 'claims',
    caughtBy: ['LK-0174'],
    message: /must be "renewed"; it was answered "lost"/,
    adapter: (right) => ({
      async renewMany(refs, ttlMs) {
        const outcomes = await Promise.all(refs.map((ref) => right.renew(ref, ttlMs)));
        const lost = refs.findIndex((ref, i) => modeOf(ref) === 'shared' && outcomes[i]!.status === 'lost');
        return outcomes.map((outcome, i) =>
          lost >= 0 && i > lost && modeOf(refs[i]!) === 'shared' ? { status: 'lost' } : outcome,
        );
      },
    }),
  },
  {
    bug: 'a release gives back as many permits as it names, not as are held',
    seenIn: 'H94',
    base: 'claims',
    caughtBy: ['LK-0312'],
    message: /7 of 7 permits is granted: all permits were given back/,
    adapter: (right, inside) => ({
      async release(ref) {
        const [hold, named] = [holdOf(inside, ref, 'permits'), ref.claim];
        if (named?.mode !== 'permits' || hold?.claim.mode !== 'permits') return right.release(ref);
        const rest = hold.claim.permits - named.permits;
        if (rest <= 0) return right.release(ref);
        Object.assign(hold, { claim: { ...hold.claim, permits: rest }, owner: `${ref.owner}, the rest` });
        return 'released';
      },
    }),
  },
  {
    bug: 'there is no hint of the release of a hold that had been renewed',
    seenIn: 'H38',
    base: 'hints',
    caughtBy: ['LK-0068'],
    message: /the hint of release 1 arrives/,
    adapter: (right) => ({
      renew(ref, ttlMs) {
        renewedOwners.add(ref.owner);
        return right.renew(ref, ttlMs);
      },
      async whenFree(key, signal) {
        do await right.whenFree!(key, signal);
        while (noHints.has(key));
      },
      async release(ref) {
        if (!renewedOwners.has(ref.owner)) return right.release(ref);
        noHints.add(ref.key);
        const answer = await right.release(ref);
        await sleep(1);
        noHints.delete(ref.key);
        return answer;
      },
    }),
  },
];
