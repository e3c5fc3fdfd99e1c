import assert from 'node:assert/strict';
import type { Claim, LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { longestLease } from '../key-ends.ts';
import { assertStands, type Held, nameOf, takeClaim } from './claim-holds.ts';
import { claimsOf, wholeOf } from './every-claim.ts';
import { join } from './join-queue.ts';
import { assertRemaining } from './promised-leases.ts';

type Clients = readonly [LockAdapter, LockAdapter];
/** Gives a hold with a lease of this length, and undefined where the backend has no such way. */
type Begin = (context: Context, clients: Clients, claim: Claim, ttlMs: number) => Promise<Held | undefined>;
type End = (context: Context, by: LockAdapter, hold: Held) => Promise<unknown>;

const begins: Readonly<Record<string, Begin>> = {
  granted: (context, [one], claim, ttlMs) => takeClaim(context, one, context.key(), claim, { ttlMs }),
  async renewed(context, [one], claim, ttlMs) {
    const hold = await takeClaim(context, one, context.key(), claim);
    await one.renew(hold, ttlMs);
    return hold;
  },
  async 'renewed jointly'(context, [one], claim, ttlMs) {
    const hold = await takeClaim(context, one, context.key(), claim);
    await one.renewMany?.([hold], ttlMs);
    return hold;
  },
  async 'granted by the queue'(context, [one, two], claim, ttlMs) {
    if (!one.enqueue) return undefined;
    const before = await takeClaim(context, two, context.key(), wholeOf(claim));
    const { attempt, granted, calledAt } = await join(context, one, before.key, { claim, ttlMs });
    await two.release(before);
    const answer = await context.soon('a waiter is granted after the release', granted);
    return { key: before.key, owner: attempt.owner, claim, granted: answer, sentAt: calledAt, adapter: one };
  },
  async downgraded(context, [one], claim, ttlMs) {
    if (claim.mode !== 'shared') return undefined;
    const hold = await takeClaim(context, one, context.key(), wholeOf(claim));
    await one.downgrade!(hold, ttlMs);
    return { ...hold, claim };
  },
};

const ends: Readonly<Record<string, End>> = {
  // Where calls take long, its lease may be over by then.
  'was released': (_, __, hold) => hold.adapter.release(hold),
  'was released by force': async ({ forcesByName }, by, hold) => {
    if (!by.forceRelease) return hold.adapter.release(hold);
    return forcesByName ? by.forceRelease(hold.key, hold.owner) : by.forceRelease(hold.key);
  },
};

/** The lease of the next holder is its own: looked at now, and when that of the one before it would have ended. */
async function assertOwnLease(
  context: Context,
  clients: Clients,
  claim: Claim,
  [begun, ended]: readonly [string, string],
  formerMs: number,
  nextMs: number,
) {
  const [one, two] = clients;
  const former = await begins[begun]!(context, clients, claim, formerMs);
  if (!former) return;
  const { key } = former;
  const waiter = two.enqueue && (await join(context, two, key, { claim: wholeOf(claim), ttlMs: nextMs }));
  await ends[ended]!(context, two, former);
  const how = `after the hold of ${formerMs} ms of ${nameOf(claim)}, which was ${begun} and ${ended}`;
  const answer = waiter && (await context.soon(`a waiter is granted, ${how}`, waiter.granted));
  const next =
    waiter && answer
      ? {
          ...waiter.attempt,
          key,
          owner: waiter.attempt.owner,
          claim: wholeOf(claim),
          granted: answer,
          sentAt: waiter.calledAt,
          adapter: two,
        }
      : await takeClaim(context, two, key, wholeOf(claim), { ttlMs: nextMs });
  const lease = { sentAt: next.sentAt, answeredAt: context.now(), ttlMs: nextMs, validForMs: next.granted.validForMs };
  if (one.inspect) await assertRemaining(context, one, key, how, lease);
  if (nextMs > formerMs) {
    const { capabilities } = context.harness;
    await context.sleep(longestLease(capabilities, formerMs) + capabilities.ttl.maxOvershootMs + context.slackMs);
    await assertStands(context, next, how);
  }
  await two.release(next);
}

/** What the hold before leaves of its lease: nothing. */
export const formerLeaseCases: readonly Case[] = [
  {
    id: 'LK-0366',
    level: 'MUST',
    heavy: true,
    long: true,
    rule: 'C-323',
    title: 'the lease of a hold is its own, whatever lease the hold before it had, and however that began and ended',
    hazards: [7, 93],
    requires: { expiry: 'ttl' },
    async run(context) {
      const clients = [await context.client(), await context.client()] as const;
      const { ttlMs, leaseMs, longTtlMs } = context.timing;
      const lengths = [[ttlMs, longTtlMs] as const, [longTtlMs, leaseMs + 4_007] as const];
      const trials = claimsOf(context).flatMap((claim) =>
        Object.keys(begins).flatMap((begun) =>
          Object.keys(ends).flatMap((ended) =>
            lengths.map(([formerMs, nextMs]) =>
              assertOwnLease(context, clients, claim, [begun, ended], formerMs, nextMs),
            ),
          ),
        ),
      );
      await Promise.all(trials);
    },
  },
  {
    id: 'LK-0367',
    level: 'MUST',
    long: true,
    rule: 'C-29',
    title: 'after dozens of renewals, alone and with others, the next one gives as whole a lease as the first one',
    hazards: [47],
    requires: { expiry: 'ttl' },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const { ttlMs, longTtlMs, leaseMs } = context.timing;
      const renewedOften = async (isJoint: boolean) => {
        const hold = await context.take(one, context.key());
        const renew = async (ms: number) =>
          isJoint && one.renewMany ? (await one.renewMany([hold], ms))[0]! : one.renew(hold, ms);
        for (let nth = 0; nth < 37; nth++) await renew(longTtlMs + nth);
        const sentAt = context.now();
        const answer = await renew(2 * longTtlMs);
        assert.ok(answer.status === 'renewed', 'A hold was lost that had been renewed a moment ago');
        const lease = { sentAt, answeredAt: context.now(), ttlMs: 2 * longTtlMs, validForMs: answer.validForMs };
        if (two.inspect) await assertRemaining(context, two, hold.key, 'renewed often', lease);
        // A lease that begins with the grant would be over by then.
        await renew(ttlMs);
        await context.sleep(ttlMs / 3);
        const lastAt = context.now();
        const last = await renew(leaseMs);
        if (last.status === 'renewed') await context.takeOver(two, hold.key, lastAt + last.validForMs);
      };
      await Promise.all([renewedOften(false), renewedOften(true)]);
    },
  },
];
