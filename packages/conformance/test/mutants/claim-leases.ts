import type { Claim, HoldRef, LockAdapter } from '@holdfast/lock-core';
import { type ClaimHolder, claimsAdapter } from '../support/claims-adapter.ts';
import { now } from '../support/table-adapter.ts';
import type { Inside, Mutant } from './mutant.ts';
import { withRules } from './readers.ts';

type Mode = Claim['mode'];

/** The live hold of an owner, if it is of this mode. */
export function holdOf({ claims }: Inside, { key, owner }: HoldRef, mode?: Mode): ClaimHolder | undefined {
  const hold = claims.entries.get(key)?.holders.find((each) => each.owner === owner && now() < each.expiresAt);
  return mode === undefined || hold?.claim.mode === mode ? hold : undefined;
}

/** The right adapter with another answer to the renewal of holds of a mode. */
const renewing =
  (mode: Mode, renew: (hold: ClaimHolder, ttlMs: number) => void): NonNullable<Mutant['adapter']> =>
  (right, inside) => ({
    async renew(ref, ttlMs) {
      const hold = holdOf(inside, ref, mode);
      if (hold === undefined) return right.renew(ref, ttlMs);
      renew(hold, ttlMs);
      return { status: 'renewed', validForMs: ttlMs };
    },
  });

/** The right adapter with a downgrade after which the lease is another. */
const downgrading =
  (endOf: (before: ClaimHolder, expiresAt: number) => number): NonNullable<Mutant['adapter']> =>
  (right, inside) => ({
    async downgrade(ref, ttlMs) {
      const hold = holdOf(inside, ref);
      const before = hold && { ...hold };
      const outcome = await right.downgrade!(ref, ttlMs);
      if (hold && before) hold.expiresAt = endOf(before, hold.expiresAt);
      return outcome;
    },
  });

const later = (one: number, other: number): number => Math.max(one, other);

/** Leases of readers, of permits and of those who downgraded, which are other than was promised. */
export const claimLeaseMutants: readonly Mutant[] = [
  {
    bug: 'the renewal of a reader says yes and does nothing',
    seenIn: 'H52',
    base: 'claims',
    caughtBy: ['LK-0290', 'LK-0291'],
    message: /of a shared hold, must have/,
    adapter: renewing('shared', () => {}),
  },
  {
    bug: 'the renewal of permits gives half of the lease that it promises',
    seenIn: 'H82',
    base: 'claims',
    caughtBy: ['LK-0290', 'LK-0291'],
    message: /of a hold of 2 of 7 permits, must have/,
    adapter: renewing('permits', (hold, ttlMs) => {
      hold.expiresAt = now() + ttlMs / 2;
    }),
  },
  {
    bug: 'the renewal of a reader never shortens its lease',
    seenIn: 'H113',
    base: 'claims',
    caughtBy: ['LK-0290', 'LK-0291'],
    message: /renewed with a shorter TTL, of a shared hold/,
    adapter: renewing('shared', (hold, ttlMs) => {
      hold.expiresAt = later(hold.expiresAt, now() + ttlMs);
    }),
  },
  {
    bug: 'renewMany goes by keys: of two holders of one key the last is prolonged',
    seenIn: 'H17',
    base: 'claims',
    caughtBy: ['LK-0290'],
    message: /renewed with others/,
    adapter: (right, inside) => ({
      async renewMany(holds, ttlMs) {
        for (const hold of new Map(holds.map((each) => [each.key, each])).values()) await right.renew(hold, ttlMs);
        return holds.map((hold) =>
          holdOf(inside, hold) ? { status: 'renewed', validForMs: ttlMs } : { status: 'lost' },
        );
      },
    }),
  },
  {
    bug: 'readers are over 400 ms later than is declared',
    seenIn: 'H82',
    base: 'claims',
    caughtBy: ['LK-0291'],
    message: /leases of a shared hold, granted, ended \d+ ms later/,
    adapter: withRules({
      live: (holders) =>
        holders.filter(({ claim, expiresAt }) => now() < expiresAt + (claim.mode === 'shared' ? 400 : 0)),
    }),
  },
  {
    bug: 'permits are given for twenty minutes at most, whatever is promised',
    seenIn: 'H9, H82',
    base: 'claims',
    caughtBy: ['LK-0290'],
    message: /granted, of a hold of 2 of 7 permits/,
    adapter: (right, inside) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        const hold = holdOf(inside, attempt, 'permits');
        if (hold) hold.expiresAt = Math.min(hold.expiresAt, now() + 20 * 60_000);
        return outcome;
      },
    }),
  },
  {
    bug: 'a reader that is granted by the queue has half of the lease that it is promised',
    seenIn: 'H82',
    base: 'claims',
    caughtBy: ['LK-0290', 'LK-0291'],
    message: /granted by the queue, of a shared hold/,
    adapter: withRules({
      leaseOfWaiter: ({ attempt, claim }) => attempt.ttlMs / (claim.mode === 'shared' ? 2 : 1),
    }),
  },
  {
    bug: 'who asks again for its permits is promised a fresh lease, and keeps the old one',
    seenIn: 'H12',
    base: 'claims',
    caughtBy: ['LK-0290', 'LK-0291'],
    message: /asked for again, of a hold of 2 of 7 permits/,
    adapter: (right, inside) => ({
      async tryAcquire(attempt) {
        const hold = holdOf(inside, attempt, 'permits');
        const expiresAt = hold?.expiresAt;
        const outcome = await right.tryAcquire(attempt);
        if (hold && expiresAt !== undefined) hold.expiresAt = expiresAt;
        return outcome;
      },
    }),
  },
  {
    bug: 'a downgrade promises a fresh lease, and leaves the old one',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0290', 'LK-0291'],
    message: /downgraded/,
    adapter: downgrading(({ expiresAt }) => expiresAt),
  },
  {
    bug: 'a repeated downgrade does not renew',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0290', 'LK-0291'],
    message: /downgraded again/,
    adapter: downgrading((before, expiresAt) => (before.claim.mode === 'shared' ? before.expiresAt : expiresAt)),
  },
  {
    bug: 'a renewal gives 200 ms at least, where 1 ms is declared',
    seenIn: 'H82',
    base: 'queue',
    caughtBy: ['LK-0291'],
    message: /renewed, ended \d+ ms later/,
    adapter: (right) => ({
      async renew(hold, ttlMs) {
        const outcome = await right.renew(hold, Math.max(200, ttlMs));
        return outcome.status === 'lost' ? outcome : { ...outcome, validForMs: ttlMs };
      },
    }),
  },
  {
    bug: 'the ends of the leases of readers wake nobody',
    seenIn: 'H95',
    base: 'claims',
    caughtBy: ['LK-0292'],
    message:
      /when the leases of all readers before it have ended|a waiter is let in when (?:a shared hold ends|three leases)/,
    adapter(right, { claims }) {
      const blind = claimsAdapter(claims, { watchesLeases: false });
      const by = (key: string): LockAdapter =>
        claims.entries.get(key)?.holders[0]?.claim.mode === 'shared' ? blind : right;
      return {
        enqueue: (attempt, signal) => by(attempt.key).enqueue!(attempt, signal),
        renew: (hold, ttlMs) => by(hold.key).renew(hold, ttlMs),
        release: (hold) => by(hold.key).release(hold),
      };
    },
  },
  {
    bug: 'a hold that is renewed with a shorter TTL passes to its waiter at the old end',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0292'],
    message: /ends that was renewed meanwhile/,
    adapter: (right, inside) => ({
      async renew(ref, ttlMs) {
        const hold = holdOf(inside, ref);
        if (hold === undefined || now() + ttlMs > hold.expiresAt) return right.renew(ref, ttlMs);
        hold.expiresAt = now() + ttlMs;
        return { status: 'renewed', validForMs: ttlMs };
      },
    }),
  },
  {
    bug: 'the timer for the end of a lease beyond 2^31 ms fires at once, and lets the waiter in',
    seenIn: 'H9',
    base: 'claims',
    caughtBy: ['LK-0292'],
    message: /the lease before it lasts for weeks/,
    adapter: (right, { claims }) => ({
      enqueue(attempt, signal) {
        const longest = Math.max(0, ...(claims.entries.get(attempt.key)?.holders ?? []).map((each) => each.expiresAt));
        if (longest - now() >= 2 ** 31) setTimeout(() => void right.forceRelease!(attempt.key), 1);
        return right.enqueue!(attempt, signal);
      },
    }),
  },
  {
    bug: 'where holds end with their session, they end after 0.6 of the time that is promised',
    seenIn: 'H88',
    base: 'sessions',
    caughtBy: ['LK-0310'],
    message: /Another owner was let in too early, by \d+\.\d ms/,
    adapter: (right, inside) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        if (outcome.status === 'granted')
          setTimeout(() => inside.rows.delete(attempt.key), attempt.ttlMs * 0.6).unref?.();
        return outcome;
      },
    }),
  },
  {
    bug: 'declares a shortest TTL of 300 ms, and gives shorter ones',
    seenIn: 'H88',
    base: 'queue',
    caughtBy: ['LK-0311'],
    message: /Declares a shortest TTL of 300 ms/,
    declares: { ttl: { minMs: 300, granularityMs: 1, maxOvershootMs: 10 } },
  },
];
