import type { Claim, LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { assertRelease } from './assert-release.ts';
import { allGranted, assertClaimFree, nameOf, permits, releaseWaiter, shared, takeClaim } from './claim-holds.ts';
import { sharedClaimsOf, wholeOf } from './every-claim.ts';
import { join } from './join-queue.ts';

type Clients = readonly [LockAdapter, LockAdapter];
type End = 'a forced release' | 'a forced release by name' | 'the end of a lease';

/** How a hold may end without a release, where the backend has it. */
function endsOf({ forcesByName, harness }: Context): readonly End[] {
  const ends: End[] = ['a forced release'];
  if (forcesByName) ends.push('a forced release by name');
  if (harness.capabilities.expiry === 'ttl') ends.push('the end of a lease');
  return ends;
}

/** All compatible waiters at the head of the queue are admitted, whatever ended the hold before them. */
async function letInTogether(context: Context, [one, two]: Clients, claim: Claim, end: End): Promise<void> {
  if (!one.forceRelease && end !== 'the end of a lease') return;
  const key = context.key();
  const { ttlMs, longTtlMs } = context.timing;
  const hold = await takeClaim(context, one, key, wholeOf(claim), {
    ttlMs: end === 'the end of a lease' ? ttlMs : longTtlMs,
  });
  const waiters = [];
  for (const adapter of [two, one, two]) waiters.push(await join(context, adapter, key, { claim }));
  if (end === 'a forced release') await two.forceRelease!(key);
  if (end === 'a forced release by name') await two.forceRelease!(key, hold.owner);
  await allGranted(context, `three waiters for ${nameOf(claim)} are let in together, after ${end}`, waiters);
  for (const waiter of waiters) await releaseWaiter(waiter);
}

/** Who waits behind a place that is given back by a release, or left, is looked at at once. */
async function behindOneThatLeaves(context: Context, [one, two]: Clients, claim: Claim): Promise<void> {
  for (const isAborted of [false, true]) {
    const key = context.key();
    const hold = await takeClaim(context, one, key, claim);
    const leaving = new AbortController();
    const first = await join(context, two, key, { claim: wholeOf(claim), signal: leaving.signal });
    const next = await join(context, one, key, { claim });
    if (isAborted) leaving.abort(new Error('a waiter of this case leaves'));
    else await assertRelease(two.release(first.attempt), 'not-held');
    const how = isAborted ? 'left' : 'gave back its place';
    await allGranted(context, `a waiter for ${nameOf(claim)} is let in: the one before it ${how}`, [next]);
    await releaseWaiter(next);
    await assertRelease(one.release(hold));
  }
}

/** Many owners that hold a key together and are admitted together. */
export const claimCrowdCases: readonly Case[] = [
  {
    id: 'LK-0299',
    level: 'MUST',
    long: true,
    heavy: true,
    rule: 'C-267',
    title: 'dozens of readers hold a key, and dozens of owners permits of it; those who wait are let in together',
    hazards: [43, 92],
    needs: ['enqueue'],
    async run(context) {
      const clients = [await context.client(), await context.client()] as const;
      const crowd = async (claim: Claim, count: number) => {
        const key = context.key();
        const first = await takeClaim(context, clients[0], key, wholeOf(claim));
        const waiters = [];
        for (let i = 0; i < count; i++) waiters.push(await join(context, clients[i % 2]!, key, { claim }));
        await assertRelease(clients[0].release(first));
        await allGranted(context, `${count} waiters for ${nameOf(claim)} are let in together`, waiters);
        const more = await takeClaim(context, clients[1], key, claim);
        for (const waiter of waiters) await releaseWaiter(waiter);
        await assertRelease(clients[1].release(more));
        await assertClaimFree(context, clients[0], key, wholeOf(claim), `all who had ${nameOf(claim)} have left`);
      };
      const { shared: hasShared, permits: hasPermits } = context.harness.capabilities;
      const crowds = sharedClaimsOf(context).flatMap((claim) =>
        endsOf(context).map((end) => letInTogether(context, clients, claim, end)),
      );
      if (hasShared) crowds.push(behindOneThatLeaves(context, clients, shared));
      if (hasPermits) crowds.push(behindOneThatLeaves(context, clients, permits(2, 7)));
      // A backend that answers at once takes hundreds in the time that another takes dozens.
      const few = context.latencyMs < 2 ? 137 : 37;
      const count = context.latencyMs < 0.5 ? 263 : few;
      if (hasShared) crowds.push(crowd(shared, count));
      if (hasPermits) crowds.push(crowd(permits(3, 3 * count + 6), count + 1));
      await Promise.all(crowds);
    },
  },
];
