import type { RenewOutcome } from '@holdfast/lock-core';
import { rightRules } from '../support/claims-adapter.ts';
import { now } from '../support/table-adapter.ts';
import { holdOf } from './claim-leases.ts';
import type { Mutant } from './mutant.ts';
import { modeOf } from './odd-queues.ts';
import { withRules } from './readers.ts';

/** Keys for which an owner asked the queue twice, of all backends. */
const askedTwice = new Set<string>();
/** Owners that asked without a claim, of all backends. */
const withoutClaim = new Set<string>();

/** Who is meant by a call, what its answer is, and how many there may be. */
export const whoIsMeantMutants: readonly Mutant[] = [
  {
    bug: 'a key has room for 64 holders',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0299'],
    message: /waiters for a shared hold are let in together/,
    adapter: withRules({ fits: (claim, holders) => holders.length < 64 && rightRules.fits(claim, holders) }),
  },
  {
    bug: 'of readers, key and owner are joined, and compared as one',
    seenIn: 'H86',
    base: 'claims',
    caughtBy: ['LK-0188'],
    message: /A release of a free key: another one goes on with/,
    adapter: (right, { claims }) => ({
      async release(ref) {
        for (const { key, holders } of modeOf(ref) === 'shared' ? claims.entries.values() : [])
          for (const { owner, claim } of holders)
            if (claim.mode === 'shared' && key + owner === ref.key + ref.owner)
              return right.release({ key, owner, claim });
        return right.release(ref);
      },
    }),
  },
  {
    bug: 'an exclusive request that comes once more makes a hold exclusive again that was downgraded',
    seenIn: 'H98',
    base: 'claims',
    caughtBy: ['LK-0322'],
    message: /a free key is granted/,
    adapter: (right, inside) => ({
      async tryAcquire(attempt) {
        const hold = holdOf(inside, attempt, 'shared');
        if (hold && modeOf(attempt) === 'exclusive') hold.claim = { mode: 'exclusive' };
        return right.tryAcquire(attempt);
      },
    }),
  },
  {
    bug: 'a hold that was asked for without a claim is not found as an exclusive one',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0343'],
    message: /An exclusive hold must stand: it was asked for without a claim, and is named so/,
    adapter: (right) => ({
      async tryAcquire(attempt) {
        if (attempt.claim === undefined) withoutClaim.add(attempt.owner);
        return right.tryAcquire(attempt);
      },
      async renew(ref, ttlMs): Promise<RenewOutcome> {
        const isOther = withoutClaim.has(ref.owner) && ref.claim?.mode === 'exclusive';
        return isOther ? { status: 'lost' } : right.renew(ref, ttlMs);
      },
    }),
  },
  {
    bug: 'one of a hundred requests rejects with a TypeError',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0180'],
    message: /tryAcquire: it must not reject with an error of its program/,
    adapter(right) {
      let asked = 0;
      return {
        async tryAcquire(attempt) {
          if (++asked % 100 === 0) throw new TypeError('Cannot read properties of undefined');
          return right.tryAcquire(attempt);
        },
      };
    },
  },
  {
    bug: 'the answer of a downgrade tells its time as text',
    seenIn: 'H82',
    base: 'claims',
    caughtBy: ['LK-0207'],
    message: /downgrade: validForMs must be a finite number above 0, not "\d+"/,
    adapter: (right) => ({
      async downgrade(ref, ttlMs) {
        const outcome = await right.downgrade!(ref, ttlMs);
        return outcome.status === 'lost' ? outcome : { ...outcome, validForMs: `${ttlMs}` as unknown as number };
      },
    }),
  },
  {
    bug: 'inspect counts an owner twice that asked the queue twice',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0172'],
    message: /2 waiters are queued/,
    adapter(right, { claims }) {
      const { entries } = claims;
      return {
        async enqueue(attempt, signal) {
          const { queue = [] } = entries.get(attempt.key) ?? {};
          if (queue.some((waiter) => waiter.attempt.owner === attempt.owner)) askedTwice.add(attempt.key);
          return right.enqueue!(attempt, signal);
        },
        async inspect(key) {
          const info = await right.inspect!(key);
          return info && { ...info, waiters: info.waiters! + (askedTwice.has(key) ? 1 : 0) };
        },
      };
    },
  },
  {
    bug: 'of permits whose leases end together those of the first come back at once, and the others later',
    seenIn: 'H94',
    base: 'claims',
    caughtBy: ['LK-0292'],
    message: /a waiter is let in when three leases of a hold of 2 of 7 permits end together|Not within/,
    adapter: withRules({
      live(holders) {
        const over = holders.filter(({ expiresAt }) => now() >= expiresAt);
        const [first, ...rest] = over;
        if (rest.length === 0 || first!.claim.mode !== 'permits') return rightRules.live(holders);
        for (const holder of rest) holder.expiresAt = now() + 3_000;
        return holders.filter((holder) => holder !== first);
      },
    }),
  },
];
