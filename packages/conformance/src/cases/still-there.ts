import assert from 'node:assert/strict';
import type { Claim, LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { latestEnd } from '../key-ends.ts';
import { assertRelease } from './assert-release.ts';
import { assertClaimBusy, assertClaimFree, exclusive, holdOf, shared, takeClaim } from './claim-holds.ts';
import { giveUp, grantedBetween } from './claim-leases.ts';
import { claimsOf, wholeOf } from './every-claim.ts';
import { join } from './join-queue.ts';

type Clients = readonly [LockAdapter, LockAdapter];

/** A hold that is renewed more than once while one waits for it, the last time as told. */
async function renewedOften(context: Context, [one, two]: Clients, claim: Claim, isJoint: boolean): Promise<void> {
  const { leaseMs, longTtlMs } = context.timing;
  const hold = await takeClaim(context, one, context.key(), claim, { ttlMs: leaseMs });
  const waiter = await join(context, two, hold.key, { claim: wholeOf(claim) });
  const renew = async (ttlMs: number) =>
    isJoint && one.renewMany ? (await one.renewMany([hold], ttlMs))[0]! : one.renew(hold, ttlMs);
  await renew(longTtlMs);
  await renew(longTtlMs + 4_003);
  const sentAt = context.now();
  const answer = await renew(leaseMs + 13);
  // On a machine that stalls the first lease may have ended by then, by right.
  if (answer.status === 'lost') return giveUp(hold, waiter);
  const what = `a waiter is let in when ${holdOf(claim)} ends that was renewed more than once meanwhile`;
  await grantedBetween(
    context,
    waiter,
    [sentAt + answer.validForMs, latestEnd(context.harness.capabilities, leaseMs + 13, context.now())],
    what,
  );
  await two.release(waiter.attempt);
}

/** Two waiters, the first of which leaves. */
async function behindLeaver(context: Context, [one, two]: Clients, claim: Claim, isAborted: boolean): Promise<void> {
  const { leaseMs } = context.timing;
  const hold = await takeClaim(context, one, context.key(), claim, { ttlMs: leaseMs });
  const due = latestEnd(context.harness.capabilities, leaseMs, context.now());
  const leaving = new AbortController();
  const first = await join(context, two, hold.key, { claim: wholeOf(claim), signal: leaving.signal });
  const next = await join(context, two, hold.key, { claim: wholeOf(claim) });
  if (isAborted) leaving.abort(new Error('a waiter of this case leaves'));
  else await two.release(first.attempt);
  // Where its end crossed the grant of the first, there is nothing to be seen.
  const what = `a waiter is let in when ${holdOf(claim)} ends: the one before it in the queue had left`;
  first.granted.then(() => two.release(first.attempt)).catch(() => {});
  await grantedBetween(context, next, [hold.sentAt + hold.granted.validForMs, due], what);
  await two.release(next.attempt);
}

/** What stands although something was asked that concerns it: renewed often, left by another, asked for in another way. */
export const stillThereCases: readonly Case[] = [
  {
    id: 'LK-0370',
    level: 'MUST',
    long: true,
    rule: 'C-261',
    title:
      'who waits is let in when a lease ends that was renewed again and again, or for which one before it does not wait any more',
    hazards: [9, 95],
    needs: ['enqueue'],
    requires: { expiry: 'ttl' },
    async run(context) {
      const clients = [await context.client(), await context.client()] as const;
      const trials = claimsOf(context).flatMap((claim) =>
        [true, false].flatMap((either) => [
          renewedOften(context, clients, claim, either),
          behindLeaver(context, clients, claim, either),
        ]),
      );
      await Promise.all(trials);
    },
  },
  {
    id: 'LK-0371',
    level: 'MUST',
    rule: 'C-177',
    title: 'a writer that asks again as a reader is a writer still, and whoever asks or waits is kept out',
    hazards: [12, 98],
    requires: { shared: true },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const writer = await takeClaim(context, one, context.key(), exclusive, { tokens: 3 });
      const { key, owner } = writer;
      const again = context.attempt(key, { owner, claim: shared });
      const answers = [await one.tryAcquire(again)];
      if (one.enqueue) answers.push(await context.soon('the holder is answered', one.enqueue(again, again.signal)));
      for (const answer of answers) {
        assert.equal(answer.status, 'granted', 'The holder asked again, as a reader, and was refused its own lock');
        if (answer.status === 'granted')
          assert.equal(answer.fencingToken, writer.fencingToken, 'The token of a writer that asked again as a reader');
      }
      const why = 'a writer holds it, which asked again as a reader';
      for (const claim of [shared, exclusive]) await assertClaimBusy(context, two, key, claim, why);
      const mode = (await two.inspect?.(key))?.mode ?? 'exclusive';
      assert.equal(mode, 'exclusive', 'The mode that inspect tells of a writer that asked again as a reader');
      await assertRelease(one.release(writer));
      await assertClaimFree(context, two, key, exclusive, `one release ends the hold: ${why}`);
    },
  },
];
