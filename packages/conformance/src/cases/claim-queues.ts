import assert from 'node:assert/strict';
import type { Claim, LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { assertRelease } from './assert-release.ts';
import {
  allGranted,
  assertClaimFree,
  assertWaiting,
  capital,
  holdOf,
  nameOf,
  permits,
  releaseWaiter,
  takeClaim,
} from './claim-holds.ts';
import { claimsOf, wholeOf } from './every-claim.ts';
import { join } from './join-queue.ts';

type Clients = readonly [LockAdapter, LockAdapter];
type Trial = (context: Context, clients: Clients, claim: Claim) => Promise<void>;

/** A place that its owner gave back by a release is nobody's. */
const withdrawnAfter =
  (asks: boolean): Trial =>
  async (context, [one, two], claim) => {
    const key = context.key();
    const hold = await takeClaim(context, one, key, wholeOf(claim));
    const gone = await join(context, two, key, { claim });
    if (asks) await two.tryAcquire(gone.attempt);
    const next = await join(context, one, key, { claim: wholeOf(claim) });
    await assertRelease(two.release(gone.attempt), 'not-held');
    await assertRelease(one.release(hold));
    await allGranted(context, `the next is granted: a waiter for ${nameOf(claim)} gave back its place`, [next]);
    await releaseWaiter(next);
    await assertClaimFree(context, one, key, wholeOf(claim), `a waiter for ${nameOf(claim)} had given back its place`);
  };

/** Two calls of one owner are one place. */
const asked: Trial = async (context, [one, two], claim) => {
  const key = context.key();
  const hold = await takeClaim(context, one, key, wholeOf(claim));
  const first = await join(context, two, key, { claim });
  const { owner } = first.attempt;
  await join(context, two, key, { claim, owner });
  const next = await join(context, one, key, { claim: wholeOf(claim) });
  await assertRelease(one.release(hold));
  await context.eventually(
    'an owner that asked twice is granted',
    async () => (await two.renew(first.attempt, context.timing.longTtlMs)).status === 'renewed',
  );
  await assertRelease(two.release(first.attempt));
  await allGranted(context, `the next is granted: an owner had asked twice for ${nameOf(claim)}, and left once`, [
    next,
  ]);
  await releaseWaiter(next);
};

/** A holder calls `enqueue` again while others wait, and is then force-released: it leaves no place. */
const holderAsked: Trial = async (context, [one, two], claim) => {
  const key = context.key();
  const hold = await takeClaim(context, one, key, wholeOf(claim));
  const next = await join(context, two, key, { claim: wholeOf(claim) });
  const again = context.attempt(key, { owner: hold.owner, claim: wholeOf(claim) });
  await context.soon('the holder that asks the queue is granted', one.enqueue!(again, again.signal));
  if (!two.forceRelease) await one.release(hold);
  else if (context.forcesByName) await two.forceRelease(key, hold.owner);
  else await two.forceRelease(key);
  await allGranted(context, 'a waiter is granted: the holder had asked the queue again, and is gone', [next]);
  await releaseWaiter(next);
  const why = `the holder of ${nameOf(wholeOf(claim))} had asked the queue again, and all have left`;
  await assertClaimFree(context, one, key, wholeOf(claim), why);
};

/** Who waits may ask as well: it has its place all the same, and passes nobody. */
const askedToo = async (context: Context, [one, two]: Clients, claim: Claim, most: number) => {
  const key = context.key();
  const hold = await takeClaim(context, one, key, claim);
  const waiters = [await join(context, two, key, { claim: wholeOf(claim) }), await join(context, one, key, { claim })];
  for (const { attempt, adapter } of waiters.slice(0, most)) {
    const { status } = await adapter.tryAcquire(attempt);
    assert.equal(status, 'busy', `A request for ${nameOf(attempt.claim!)} of an owner that waits, behind others,`);
  }
  await assertRelease(one.release(hold));
  for (const waiter of waiters) {
    await allGranted(context, `a waiter for ${nameOf(waiter.attempt.claim!)} is granted, which had asked as well`, [
      waiter,
    ]);
    await releaseWaiter(waiter);
  }
};

/** A forced release admits the waiters and removes none of their places. */
const forced: Trial = async (context, [one, two], claim) => {
  const key = context.key();
  const hold = await takeClaim(context, one, key, claim);
  const waiters = [
    await join(context, two, key, { claim: wholeOf(claim) }),
    await join(context, one, key, { claim }),
    await join(context, two, key, { claim: wholeOf(claim) }),
  ];
  if (context.forcesByName) {
    const isFreed = await two.forceRelease!(key, waiters[0]!.attempt.owner);
    assert.equal(isFreed, false, 'A forced release that names a waiter says that it freed its hold');
  }
  if (!two.forceRelease) await one.release(hold);
  else if (context.forcesByName) await two.forceRelease(key, hold.owner);
  else await two.forceRelease(key);
  await allGranted(context, `a waiter is let in: the owner of ${nameOf(claim)} was released by force`, [waiters[0]!]);
  await assertWaiting(context, waiters.slice(1), 'one waiter before it was let in by a forced release');
  if (two.forceRelease) await two.forceRelease(key);
  else await releaseWaiter(waiters[0]!);
  for (const waiter of waiters.slice(1)) {
    await allGranted(context, 'those who waited are let in, one after the other, after forced releases', [waiter]);
    await releaseWaiter(waiter);
  }
};

/** A request for another kind of use is refused, and the waiters keep their places. */
const refused: Trial = async (context, [one, two], claim) => {
  const key = context.key();
  const hold = await takeClaim(context, one, key, wholeOf(claim));
  const waiter = await join(context, two, key, { claim });
  const other = claim.mode === 'permits' ? permits(1, claim.limit + 4) : permits(1, 3);
  for (const adapter of [two, one]) {
    const attempt = context.attempt(key, { claim: other });
    const refusal = context.soon('another use of the key is refused', adapter.enqueue!(attempt, attempt.signal));
    await assert.rejects(refusal, { code: 'LOCK_INVALID_ARGUMENT', retryable: false });
  }
  await assertRelease(one.release(hold));
  await allGranted(context, `a waiter for ${nameOf(claim)} is granted: others, with another use, were refused`, [
    waiter,
  ]);
  await releaseWaiter(waiter);
};

/** Who is granted may abort its signals: they were for the waiting. */
const aborted: Trial = async (context, [one, two], claim) => {
  const key = context.key();
  const [asking, waiting] = [new AbortController(), new AbortController()];
  const hold = await takeClaim(context, one, key, wholeOf(claim), { signal: asking.signal });
  const waiter = await join(context, two, key, { claim, signal: waiting.signal });
  asking.abort(new Error('no longer needed'));
  await assertWaiting(context, [waiter], 'the holder aborted the signal of its request, which had been answered');
  await assertRelease(one.release(hold));
  await allGranted(context, 'a waiter is granted after the release', [waiter]);
  waiting.abort(new Error('no longer needed'));
  await context.sleep(context.timing.quietMs);
  const { status } = await two.renew(waiter.attempt, context.timing.longTtlMs);
  assert.equal(status, 'renewed', `${capital(holdOf(claim))} must stand: its signal was aborted after the grant`);
  await releaseWaiter(waiter);
};

/** What a queue promises to waiters of every kind. */
export const claimQueueCases: readonly Case[] = [
  {
    id: 'LK-0297',
    level: 'MUST',
    rule: 'C-265',
    title:
      'places of every kind: given back, asked for twice, and kept over forced releases and over refusals of others',
    hazards: [42, 64, 99],
    needs: ['enqueue'],
    async run(context) {
      const clients = [await context.client(), await context.client()] as const;
      const trials = [
        withdrawnAfter(false),
        withdrawnAfter(true),
        asked,
        ...(context.harness.capabilities.permits ? [refused] : []),
      ];
      await Promise.all(claimsOf(context).flatMap((claim) => trials.map((trial) => trial(context, clients, claim))));
      // A forced release without a name frees all of a kind, so these wait for nobody else's.
      await Promise.all(claimsOf(context).map((claim) => forced(context, clients, claim)));
      await Promise.all(claimsOf(context).map((claim) => holderAsked(context, clients, claim)));
    },
  },
  {
    id: 'LK-0321',
    level: 'MUST',
    rule: 'C-295',
    title: 'who waits and asks as well keeps its place, and passes nobody',
    hazards: [77, 105],
    needs: ['enqueue'],
    requires: { fairness: 'fifo' },
    async run(context) {
      const clients = [await context.client(), await context.client()] as const;
      // The first of two, or both.
      const trials = claimsOf(context).flatMap((claim) =>
        [1, 2].map((most) => askedToo(context, clients, claim, most)),
      );
      await Promise.all(trials);
    },
  },
  {
    id: 'LK-0298',
    level: 'MUST',
    long: true,
    rule: 'C-266',
    title: 'a signal that aborts after the grant ends no hold, whatever was granted',
    hazards: [106],
    needs: ['enqueue'],
    async run(context) {
      const clients = [await context.client(), await context.client()] as const;
      await Promise.all(claimsOf(context).map((claim) => aborted(context, clients, claim)));
    },
  },
];
