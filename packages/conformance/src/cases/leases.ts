import assert from 'node:assert/strict';
import type { Claim, LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { latestEnd, longestLease } from '../key-ends.ts';
import { assertClaimBusy, takeClaim } from './claim-holds.ts';
import { claimsOf, wholeOf } from './every-claim.ts';
import { latenessOf } from './late-ends.ts';
import { assertRemaining, type Promised, promised, renewedOf } from './promised-leases.ts';

/** Lengths that a careless backend caps, wraps or rounds: from a minute to beyond what a timer, 32 bits and a year can hold. */
const LONG_TTLS = [
  61_337,
  299_993,
  1_234_567,
  3_723_457,
  19_000_019,
  93_784_211,
  2 ** 31 + 12_345,
  2 ** 32 + 98_765,
  2 ** 40 + 54_321,
];

/** The lease of a TTL in each way in which an adapter can be asked for one, looked at by another client. */
async function assertLeases(context: Context, adapter: LockAdapter, other: LockAdapter, ttlMs: number): Promise<void> {
  const check = (key: string, how: string, lease: Promised) => assertRemaining(context, other, key, how, lease);
  const key = context.key();
  const attempt = context.attempt(key, { ttlMs });
  const lease = await promised(context, ttlMs, async () => (await context.take(adapter, key, attempt)).granted);
  await check(key, 'as granted', lease);
  const short = await context.take(adapter, context.key(), { ttlMs: context.timing.leaseMs });
  const renewed = await promised(context, ttlMs, async () => renewedOf(await adapter.renew(short, ttlMs), 'renew'));
  await check(short.key, 'as renewed', renewed);
  const again = await context.take(adapter, context.key(), { ttlMs: context.timing.leaseMs });
  const refresh = context.attempt(again.key, { ttlMs, owner: again.owner });
  const fresh = await promised(context, ttlMs, async () => (await context.take(adapter, again.key, refresh)).granted);
  await check(again.key, 'as granted again', fresh);
  if (!adapter.renewMany) return;
  const few = await Promise.all(
    [1, 2, 3].map(() => context.take(adapter, context.key(), { ttlMs: context.timing.leaseMs })),
  );
  const sentAt = context.now();
  const answers = await adapter.renewMany(few, ttlMs);
  const answeredAt = context.now();
  for (const [i, answer] of answers.entries()) {
    const { validForMs } = renewedOf(answer, 'renewMany');
    await check(few[i]!.key, 'as renewed by renewMany', { sentAt, answeredAt, ttlMs, validForMs });
  }
}

/** What is promised of a lease, and what becomes of it. */
export const leaseCases: readonly Case[] = [
  {
    id: 'LK-0154',
    level: 'MUST',
    heavy: true,
    rule: 'C-144',
    title: 'leases from a minute to decades stand as promised: granted, renewed, granted again, renewed together',
    hazards: [9, 82],
    needs: ['inspect'],
    requires: { expiry: 'ttl' },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const odd = LONG_TTLS.map((ttlMs) => ttlMs + Math.floor(context.random.between(0, 97)));
      await Promise.all(odd.map((ttlMs) => assertLeases(context, one, two, ttlMs)));
    },
  },
  {
    id: 'LK-0155',
    level: 'MUST',
    long: true,
    rule: 'C-110',
    title: 'the time left that inspect tells counts down, and begins anew with a renewal',
    hazards: [],
    needs: ['inspect'],
    requires: { expiry: 'ttl' },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const ttlMs = context.timing.longTtlMs - 13;
      const attempt = context.attempt(key, { ttlMs });
      const lease = await promised(context, ttlMs, async () => (await context.take(one, key, attempt)).granted);
      for (let look = 0; look < 3; look++) {
        await assertRemaining(context, two, key, 'looked at more than once', lease);
        await context.sleep(context.timing.quietMs);
      }
      // A lease of a granularity as coarse as this would not have moved.
      await context.sleep(Math.min(2 * context.harness.capabilities.ttl.granularityMs, 2_000));
      await assertRemaining(context, two, key, 'looked at a while later', lease);
      const renewed = await promised(context, 2 * ttlMs, async () =>
        renewedOf(await one.renew(attempt, 2 * ttlMs), 'renew'),
      );
      await assertRemaining(context, two, key, 'as renewed', renewed);
    },
  },
  {
    id: 'LK-0156',
    level: 'MUST',
    long: true,
    rule: 'C-7',
    title: 'retryAfterMs of busy answers counts down with the lease, and never points beyond it',
    hazards: [82],
    requires: { expiry: 'ttl' },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const { leaseMs } = context.timing;
      const key = context.key();
      const hold = await context.take(one, key, { ttlMs: leaseMs });
      const latest = latestEnd(context.harness.capabilities, leaseMs, context.now());
      while (context.now() < hold.sentAt + hold.granted.validForMs) {
        const askedAt = context.now();
        const outcome = await two.tryAcquire(context.attempt(key));
        if (outcome.status === 'granted') return;
        const { retryAfterMs } = outcome;
        const most = latest - askedAt;
        assert.ok(
          retryAfterMs === undefined || retryAfterMs <= most + 1,
          `retryAfterMs is ${retryAfterMs}, but the lease is over in ${Math.round(most)} ms at most`,
        );
        await context.sleep(leaseMs / 5);
      }
    },
  },
  {
    id: 'LK-0158',
    level: 'MUST',
    long: true,
    rule: 'C-146',
    title: 'requests of others, with a shorter or a longer TTL, neither shorten nor prolong a hold',
    hazards: [5],
    requires: { expiry: 'ttl' },
    async run(context) {
      const [one, two, three] = [await context.client(), await context.client(), await context.client()];
      const { leaseMs, longTtlMs } = context.timing;
      const { minMs } = context.harness.capabilities.ttl;
      /** Whether the hold stood meanwhile, as far as it can be told; on a machine that stalls its lease may be over. */
      const disturb = async (key: string, ttlMs: number, endsAt: number) => {
        const stranger = context.attempt(key, { ttlMs });
        const { status } = await two.tryAcquire(stranger);
        if (status === 'granted') {
          await two.release(stranger);
          context.assertNotEarly(endsAt - context.now(), 'Another owner was let in while the key was held');
          return false;
        }
        const { owner } = context.attempt(key);
        await three.renew({ key, owner }, ttlMs);
        await two.renewMany?.([{ key, owner }], ttlMs);
        return true;
      };
      const checks = [minMs, Math.ceil(leaseMs / 7), longTtlMs].map(async (ttlMs) => {
        const key = context.key();
        const hold = await context.take(one, key, { ttlMs: leaseMs });
        const endsAt = hold.sentAt + hold.granted.validForMs;
        if (!(await disturb(key, ttlMs, endsAt))) return;
        // Until just before its end the hold must stand; nothing in this loop would prolong it.
        while (context.now() < endsAt - context.timing.pollMs) {
          const { status } = await three.tryAcquire(context.attempt(key, { ttlMs: minMs }));
          const told = `A request of another owner with a TTL of ${ttlMs} ms ended a hold too early`;
          if (status !== 'busy') return context.assertNotEarly(endsAt - context.now(), told);
          await context.sleep(context.timing.pollMs);
        }
        await context.takeOver(three, key, endsAt);
      });
      await Promise.all(checks);
    },
  },
  {
    id: 'LK-0159',
    level: 'MUST',
    long: true,
    rule: 'C-147',
    title: 'a renewal just before the end of a lease has effect once it is answered, also with a shorter TTL',
    hazards: [47],
    requires: { expiry: 'ttl' },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const { ttlMs, leaseMs } = context.timing;
      const late = [1, 2, 3].map(async (nth) => {
        const key = context.key();
        const hold = await context.take(one, key, { ttlMs });
        const endsAt = hold.sentAt + hold.granted.validForMs;
        await context.until(endsAt - 2 * context.latencyMs - 15 * nth);
        const sentAt = context.now();
        const renewed = await one.renew(hold, leaseMs);
        // It came too late, by right.
        if (renewed.status === 'lost')
          return context.assertNotEarly(endsAt - context.now(), 'A hold was lost before its end');
        await context.takeOver(two, key, sentAt + renewed.validForMs);
      });
      const shorter = [1, 2].map(async () => {
        const hold = await context.take(one, context.key());
        const renewed = await one.renew(hold, ttlMs);
        assert.equal(renewed.status, 'renewed', 'A hold that stands could not be renewed with a shorter TTL');
        return latenessOf(context, two, hold.key, ttlMs);
      });
      await Promise.all(late);
      const lateMs = Math.min(...(await Promise.all(shorter)));
      context.assertInTime(
        lateMs,
        `A hold that was renewed with a TTL of ${ttlMs} ms stood ${Math.round(lateMs)} ms longer than it may`,
      );
    },
  },
  {
    id: 'LK-0160',
    level: 'SHOULD',
    long: true,
    rule: 'C-148',
    title: 'to ask again with a shorter TTL does not shorten the hold',
    hazards: [12],
    requires: { expiry: 'ttl' },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const { ttlMs } = context.timing;
      const { maxOvershootMs } = context.harness.capabilities.ttl;
      const stands = async (claim: Claim, isQueued: boolean) => {
        const key = context.key();
        const { owner } = await takeClaim(context, one, key, claim);
        const attempt = context.attempt(key, { owner, ttlMs, claim });
        const again = await (isQueued ? one.enqueue!(attempt, attempt.signal) : one.tryAcquire(attempt));
        assert.equal(again.status, 'granted', 'The holder asked again and was refused its own lock');
        const shorterMs = longestLease(context.harness.capabilities, ttlMs) + maxOvershootMs;
        await context.sleep(shorterMs + context.slackMs);
        const why = 'its owner asked again with a shorter TTL; only a renewal shortens a lease';
        await assertClaimBusy(context, two, key, wholeOf(claim), why);
      };
      const ways = one.enqueue ? [false, true] : [false];
      await Promise.all(claimsOf(context).flatMap((claim) => ways.map((isQueued) => stands(claim, isQueued))));
    },
  },
];
