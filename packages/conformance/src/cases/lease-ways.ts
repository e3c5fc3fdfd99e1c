import type { Claim, LockAdapter } from '@holdfast/lock-core';
import { newOwner } from '../context.ts';
import { exclusive, type Held, shared } from './claim-holds.ts';
import { leaseOf, longer, release, renewed, shorter, take, type Way, type Wish } from './lease-steps.ts';
import { queueWays, queueWaysBeside, queueWaysToRead } from './queue-ways.ts';

/** A hold of another TTL, and then a renewal of it by the one that is asked for. */
const renewedFrom =
  (firstMs: (wish: Wish) => number): Way =>
  async (wish) => {
    const hold = await take(wish, { ttlMs: firstMs(wish) });
    const lease = await renewed(wish, hold, 'renew', async () => [await hold.adapter.renew(hold, wish.ttlMs)]);
    return lease && { hold, lease };
  };

const downgradedFrom =
  (firstMs: (wish: Wish) => number, times: number): Way =>
  async (wish) => {
    const hold = await take({ ...wish, claim: exclusive }, { ttlMs: firstMs(wish) });
    const lease = await renewed(wish, hold, 'downgrade', async () => {
      for (let i = 1; i < times; i++) await hold.adapter.downgrade!(hold, firstMs(wish));
      return [await hold.adapter.downgrade!(hold, wish.ttlMs)];
    });
    return lease && { hold: { ...hold, claim: shared }, lease };
  };

/** A hold that is renewed in one request with others; `chosen` says of two holders of one key who stays and who leaves. */
const renewedJointly =
  (chosen: (hold: Held, beside: Held) => readonly [stays: Held, leaves: Held]): Way =>
  async (wish) => {
    const { claim, ttlMs } = wish;
    const more = { ttlMs: shorter(wish) };
    const hold = await take(wish, more);
    const other = await take({ ...wish, claim: exclusive }, more);
    const beside = claim.mode === 'exclusive' ? undefined : await take(wish, more, hold.key);
    // One that nobody holds comes first, and the hold itself twice.
    const never = { key: wish.context.key(), owner: newOwner() };
    const all = [never, hold, other, ...(beside ? [beside] : []), hold];
    const by = hold.adapter;
    const lease = await renewed(wish, hold, 'renewMany', async () => {
      const [, ...answers] = await (by.renewMany
        ? by.renewMany(all, ttlMs)
        : Promise.all(all.map((each) => by.renew(each, ttlMs))));
      return answers;
    });
    if (!beside) return lease && { hold, lease };
    const [stays, leaves] = chosen(hold, beside);
    await by.release(leaves);
    return lease && { hold: stays, lease };
  };

const ways: Readonly<Record<string, Way>> = {
  async granted(wish) {
    const hold = await take(wish, { ttlMs: wish.ttlMs });
    return { hold, lease: leaseOf(wish, hold) };
  },
  renewed: renewedFrom(shorter),
  'renewed with a shorter TTL': renewedFrom(longer),
  async 'asked for again'(wish) {
    // What asks again may leave a longer lease as it is.
    const hold = await take(wish, { ttlMs: Math.min(wish.ttlMs, shorter(wish)) });
    const again = await take(wish, { ttlMs: wish.ttlMs, owner: hold.owner }, hold.key);
    return { hold, lease: leaseOf(wish, again) };
  },
  'renewed with others': renewedJointly((hold, beside) => [hold, beside]),
  // What was left of the hold before, such as a timer or a time to live, is not that of this one.
  async 'granted after a hold with a shorter TTL'(wish) {
    const before = await take(wish, { ttlMs: wish.context.timing.ttlMs });
    await release(wish, before);
    const hold = await take(wish, { ttlMs: wish.ttlMs }, before.key);
    return { hold, lease: leaseOf(wish, hold) };
  },
  async 'granted after a hold with a longer TTL'(wish) {
    const before = await take(wish, { ttlMs: longer(wish) });
    await release(wish, before);
    const hold = await take(wish, { ttlMs: wish.ttlMs }, before.key);
    return { hold, lease: leaseOf(wish, hold) };
  },
};

/** Of two holders of one key the lease of each counts. */
const besideOthers: Readonly<Record<string, Way>> = {
  'renewed with others, after one that leaves': renewedJointly((hold, beside) => [beside, hold]),
};

/** What makes a writer a reader begins a lease too. */
const downgrades: Readonly<Record<string, Way>> = {
  'downgraded with a longer TTL': downgradedFrom(shorter, 1),
  'downgraded with a shorter TTL': downgradedFrom(longer, 1),
  'downgraded again': downgradedFrom(shorter, 2),
  'downgraded again with a shorter TTL': downgradedFrom(longer, 2),
};

/** The ways to a lease of a claim, by what they are called in messages. */
export function waysTo({ mode }: Claim, adapter: LockAdapter): readonly (readonly [string, Way])[] {
  return Object.entries({
    ...ways,
    ...(mode === 'exclusive' ? {} : besideOthers),
    ...(mode === 'shared' ? downgrades : {}),
    ...(adapter.enqueue && queueWays),
    ...(adapter.enqueue && mode !== 'exclusive' ? queueWaysBeside : {}),
    ...(adapter.enqueue && mode === 'shared' ? queueWaysToRead : {}),
  });
}
