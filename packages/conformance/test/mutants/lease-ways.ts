import { setTimeout as sleep } from 'node:timers/promises';
import type { LockAdapter } from '@holdfast/lock-core';
import { type ClaimHolder, rightRules } from '../support/claims-adapter.ts';
import { now } from '../support/table-adapter.ts';
import { holdOf } from './claim-leases.ts';
import type { Inside, Mutant } from './mutant.ts';
import { attemptWith, modeOf } from './odd-queues.ts';
import { withRules } from './readers.ts';

const holdersOf = ({ claims }: Inside, key: string): readonly ClaimHolder[] => claims.entries.get(key)?.holders ?? [];

/** Halves the leases of all who were let in by what is called. */
async function halved<T>(inside: Inside, key: string, call: () => Promise<T>): Promise<T> {
  const before = new Set(holdersOf(inside, key));
  const answer = await call();
  for (const holder of holdersOf(inside, key))
    if (!before.has(holder)) holder.expiresAt -= (holder.expiresAt - now()) / 2;
  return answer;
}

const behindOneThatLeft = new WeakSet<object>();

/** Leases that began in a way that is looked at less often, or beside others. */
export const leaseWayMutants: readonly Mutant[] = [
  {
    bug: 'who is let in by a forced release has half of the lease that it is promised',
    seenIn: 'H82',
    base: 'claims',
    caughtBy: ['LK-0290', 'LK-0291'],
    message: /granted by the queue, after a forced release/,
    adapter: (right, inside) => ({
      forceRelease: (key: string, owner?: string) => halved(inside, key, () => right.forceRelease!(key, owner)),
    }),
  },
  {
    bug: 'readers that a downgrade lets in have half of the lease that they are promised',
    seenIn: 'H98',
    base: 'claims',
    caughtBy: ['LK-0290', 'LK-0291'],
    message: /granted by the queue, when a writer downgraded/,
    adapter: (right, inside) => ({
      downgrade: (ref, ttlMs) => halved(inside, ref.key, () => right.downgrade!(ref, ttlMs)),
    }),
  },
  {
    bug: 'who is let in because the one before it left the queue has half of the lease that it is promised',
    seenIn: 'H82',
    base: 'claims',
    caughtBy: ['LK-0290', 'LK-0291'],
    message: /granted by the queue, beside others, when who was before it left/,
    adapter: withRules({
      leave(entry, waiter) {
        rightRules.leave(entry, waiter);
        for (const each of entry.queue) behindOneThatLeft.add(each);
      },
      leaseOfWaiter: (waiter) => waiter.attempt.ttlMs / (behindOneThatLeft.has(waiter) ? 2 : 1),
    }),
  },
  {
    bug: 'a reader that renews its lease with a shorter TTL shortens those of all',
    seenIn: 'H93',
    base: 'claims',
    caughtBy: ['LK-0340'],
    message: /another owner of a shared hold renewed its own with a shorter TTL/,
    adapter: (right, inside) => ({
      async renew(ref, ttlMs) {
        const outcome = await right.renew(ref, ttlMs);
        if (outcome.status === 'renewed' && modeOf(ref) === 'shared')
          for (const holder of holdersOf(inside, ref.key)) holder.expiresAt = Math.min(holder.expiresAt, now() + ttlMs);
        return outcome;
      },
    }),
  },
  {
    bug: 'permits that are granted with a shorter TTL shorten the leases of all',
    seenIn: 'H94',
    base: 'claims',
    caughtBy: ['LK-0340'],
    message: /another owner of a hold of 2 of 7 permits was granted one with a shorter TTL/,
    adapter: (right, inside) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        if (outcome.status === 'granted' && modeOf(attempt) === 'permits')
          for (const holder of holdersOf(inside, attempt.key))
            holder.expiresAt = Math.min(holder.expiresAt, now() + attempt.ttlMs);
        return outcome;
      },
    }),
  },
  {
    bug: 'the renewal of a reader wraps at 2^32 ms',
    seenIn: 'H9',
    base: 'claims',
    caughtBy: ['LK-0290'],
    message: /renewed, of a shared hold, must have/,
    adapter: (right, inside) => ({
      async renew(ref, ttlMs) {
        const outcome = await right.renew(ref, ttlMs);
        const hold = holdOf(inside, ref, 'shared');
        if (hold && ttlMs >= 2 ** 32) hold.expiresAt = now() + (ttlMs >>> 0);
        return outcome;
      },
    }),
  },
  {
    bug: 'the timer of a hold that was released ends the next hold of the key',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0291'],
    message: /granted after a hold with a shorter TTL/,
    adapter: (right, inside) => ({
      async tryAcquire(attempt) {
        const { key, owner, ttlMs } = attempt;
        const outcome = await right.tryAcquire(attempt);
        const end = () => {
          if (inside.rows.get(key)?.owner !== owner) inside.rows.delete(key);
        };
        if (outcome.status === 'granted' && ttlMs < 3_000) setTimeout(end, ttlMs);
        return outcome;
      },
    }),
  },
  {
    bug: 'a hold lasts as long as a longer one of the key would have, which was released',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0290', 'LK-0291'],
    message: /granted after a hold with a longer TTL/,
    adapter(right, inside) {
      const ends = new Map<string, number>();
      return {
        async tryAcquire(attempt) {
          const outcome = await right.tryAcquire(attempt);
          const row = inside.rows.get(attempt.key)!;
          row.expiresAt = Math.max(row.expiresAt, ends.get(attempt.key) ?? 0);
          ends.set(attempt.key, row.expiresAt);
          return outcome;
        },
      };
    },
  },
  {
    bug: 'the renewal of a hold that the queue granted gives no more than the first TTL',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0290', 'LK-0291'],
    message: /granted by the queue, and renewed/,
    adapter(right, inside) {
      const firstTtls = new Map<string, number>();
      return {
        async enqueue(attempt, signal) {
          firstTtls.set(attempt.owner, attempt.ttlMs);
          return right.enqueue!(attempt, signal);
        },
        async renew(ref, ttlMs) {
          const outcome = await right.renew(ref, ttlMs);
          const [hold, firstMs = ttlMs] = [holdOf(inside, ref), firstTtls.get(ref.owner)];
          if (hold) hold.expiresAt = Math.min(hold.expiresAt, now() + firstMs);
          return outcome;
        },
      };
    },
  },
  {
    bug: 'while others wait a renewal gives a minute at most',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0290'],
    message: /renewed while others wait in the queue/,
    adapter: (right, inside) => ({
      async renew(ref, ttlMs) {
        const outcome = await right.renew(ref, ttlMs);
        const hold = holdOf(inside, ref);
        const isWaitedFor = (inside.claims.entries.get(ref.key)?.queue.length ?? 0) > 0;
        if (hold && isWaitedFor) hold.expiresAt = Math.min(hold.expiresAt, now() + 60_000);
        return outcome;
      },
    }),
  },
  {
    bug: 'a downgrade reads the hold, then makes it a shared one, though it has ended meanwhile',
    seenIn: 'H98',
    base: 'claims',
    caughtBy: ['LK-0319'],
    message: /Another was let in beside a hold, after the downgrade of an exclusive hold/,
    adapter: (right, inside) => ({
      async downgrade(ref, ttlMs) {
        const hold = holdOf(inside, ref);
        if (hold === undefined) return right.downgrade!(ref, ttlMs);
        await sleep(6);
        const entry = inside.claims.entries.get(ref.key)!;
        if (entry.holders.includes(hold)) return right.downgrade!(ref, ttlMs);
        entry.holders.push({ ...hold, claim: { mode: 'shared' }, expiresAt: now() + ttlMs });
        return { status: 'renewed', validForMs: ttlMs - 6 };
      },
    }),
  },
  {
    bug: 'declares a shortest TTL of 300 ms, which a renewal does not keep',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0311'],
    message: /a lease of 1 ms of an exclusive hold, renewed, was over/,
    declares: { ttl: { minMs: 300, granularityMs: 1, maxOvershootMs: 10 } },
    adapter: (right) => ({
      tryAcquire: (attempt) => right.tryAcquire(attemptWith(attempt, { ttlMs: Math.max(300, attempt.ttlMs) })),
    }),
  },
  {
    bug: 'the holder that asks the queue with a shorter TTL shortens its lease',
    seenIn: 'H113',
    base: 'claims',
    caughtBy: ['LK-0160'],
    message: /its owner asked again with a shorter TTL/,
    adapter: (right, inside) => ({
      async enqueue(attempt, signal) {
        const hold = holdOf(inside, attempt);
        const granted = await right.enqueue!(attempt, signal);
        if (hold === undefined) return granted;
        hold.expiresAt = now() + attempt.ttlMs;
        return { ...granted, validForMs: attempt.ttlMs };
      },
    }),
  },
  {
    bug: 'the downgrade of a hold that had been renewed lets nobody in',
    seenIn: 'H98',
    base: 'claims',
    caughtBy: ['LK-0208'],
    message: /the readers that waited are granted after the downgrade/,
    adapter(right, inside) {
      const renewed = new Set<string>();
      const renew: LockAdapter['renew'] = (ref, ttlMs) => {
        renewed.add(ref.owner);
        return right.renew(ref, ttlMs);
      };
      return {
        renew,
        async downgrade(ref, ttlMs) {
          const hold = holdOf(inside, ref);
          if (hold === undefined || !renewed.has(ref.owner)) return right.downgrade!(ref, ttlMs);
          hold.claim = { mode: 'shared' };
          hold.expiresAt = now() + ttlMs;
          return { status: 'renewed', validForMs: ttlMs };
        },
      };
    },
  },
];
