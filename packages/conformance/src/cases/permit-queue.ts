import assert from 'node:assert/strict';
import type { Claim, LockAdapter } from '@holdfast/lock-core';
import { isLockError } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { TooLate } from '../retrying-adapter.ts';
import { assertRelease } from './assert-release.ts';
import {
  allGranted,
  assertClaimBusy,
  assertClaimFree,
  assertStands,
  assertWaiting,
  exclusive,
  nameOf,
  permits,
  releaseWaiter,
  shared,
  takeClaim,
} from './claim-holds.ts';
import { followRule } from './follow-rule.ts';
import { join } from './join-queue.ts';

/** Permits that others wait for, and a key that is used for two things. */
export const permitQueueCases: readonly Case[] = [
  {
    id: 'LK-0214',
    level: 'MUST',
    long: true,
    rule: 'C-173',
    title: 'a large request waits its turn and is not passed by small ones, which come in beside it then',
    hazards: [92, 95],
    requires: { permits: true },
    needs: ['enqueue'],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const [a, b] = [
        await takeClaim(context, one, key, permits(2, 7)),
        await takeClaim(context, two, key, permits(3, 7)),
      ];
      const large = await join(context, one, key, { claim: permits(6, 7) });
      await assertClaimBusy(context, two, key, permits(1, 7), '2 of 7 are free, and a larger request waits');
      const small = [
        await join(context, two, key, { claim: permits(1, 7) }),
        await join(context, one, key, { claim: permits(2, 7) }),
      ] as const;
      await assertWaiting(context, [large, ...small], 'the request for 6 permits is first, and 2 are free');
      await assertRelease(one.release(a));
      await assertWaiting(context, [large, ...small], 'the request for 6 permits is first, and 4 are free');
      await assertRelease(two.release(b));
      await allGranted(context, 'the large request is granted, and a small one beside it', [large, small[0]]);
      await assertWaiting(context, [small[1]], 'all of 7 permits are held');
      await releaseWaiter(small[0]);
      await assertWaiting(context, [small[1]], '1 of 7 permits is free');
      await releaseWaiter(large);
      await allGranted(context, 'the last request is granted', [small[1]]);
      await releaseWaiter(small[1]);
      await assertClaimFree(context, two, key, permits(7, 7), 'all permits were given back');
    },
  },
  {
    id: 'LK-0215',
    level: 'MUST',
    long: true,
    rule: 'C-180',
    title: 'the permits of a crashed holder come back at the end of its lease, not before, and wake who waits for them',
    hazards: [94, 95],
    requires: { permits: true, expiry: 'ttl' },
    needs: ['enqueue'],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const { ttlMs } = context.timing;
      const trial = async (crashed: number, wanted: number) => {
        const key = context.key();
        const standing = await takeClaim(context, one, key, permits(5 - crashed, 5));
        const crashing = await takeClaim(context, two, key, permits(crashed, 5), { ttlMs });
        const first = await join(context, one, key, { claim: permits(wanted, 5) });
        const second = await join(context, one, key, { claim: permits(crashed - wanted + 1, 5) });
        await allGranted(context, 'a waiter gets the permits of a holder that crashed', [first]);
        const earlyMs = crashing.sentAt + crashing.granted.validForMs - first.grantedAt!;
        context.assertNotEarly(earlyMs, 'Permits went to a waiter before their lease could have ended');
        await assertWaiting(context, [second], 'too few permits came back');
        await assertStands(context, standing, 'others crashed');
        await assertRelease(one.release(standing));
        await allGranted(context, 'the next waiter is granted', [second]);
        await releaseWaiter(first);
        await releaseWaiter(second);
        await assertClaimFree(context, two, key, permits(5, 5), 'all permits were given back, or their lease is over');
      };
      await Promise.all([trial(2, 1), trial(3, 3), trial(4, 2)]);
    },
  },
  {
    id: 'LK-0217',
    level: 'MUST',
    rule: 'C-181',
    title: 'a key in use is refused with another limit, by name of both, and kept with its own',
    hazards: [99],
    requires: { permits: true },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const hold = await takeClaim(context, one, key, permits(2, 17));
      for (const limit of [23, 3, 16]) {
        const said = await refusalOf(context, two, key, permits(1, limit), 'the key is in use with a limit of 17');
        for (const number of [17, limit])
          assert.match(said, new RegExp(`\\b${number}\\b`), `The refusal must name the limit ${number}: "${said}"`);
      }
      await assertStands(context, hold, 'others named other limits');
      const more = await takeClaim(context, two, key, permits(15, 17));
      await assertClaimBusy(context, one, key, permits(1, 17), 'all of 17 permits are held');
      await assertRelease(one.release(hold));
      await refusalOf(context, one, key, permits(1, 23), 'the key is in use still');
      await assertRelease(two.release(more));
      const other = await takeClaim(context, one, key, permits(23, 23));
      await assertClaimBusy(context, two, key, permits(1, 23), 'all of 23 permits are held');
      await assertRelease(one.release(other));
    },
  },
  {
    id: 'LK-0218',
    level: 'MUST',
    rule: 'C-181',
    title:
      'a key that is locked is refused as a semaphore, and one that is a semaphore as a lock, by all that ask or queue',
    hazards: [99],
    requires: { permits: true },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const locks: readonly Claim[] = context.harness.capabilities.shared ? [exclusive, shared] : [exclusive];
      for (const claim of locks) {
        const key = context.key();
        const lock = await takeClaim(context, one, key, claim);
        const said = await refusalOf(context, two, key, permits(1, 17), `the key is locked, ${claim.mode}`);
        assert.match(said, /semaphore|permit/, `The refusal must name both kinds of use: "${said}"`);
        await assertStands(context, lock, 'it was asked for as a semaphore');
        await assertRelease(one.release(lock));
        const hold = await takeClaim(context, two, key, permits(1, 17));
        for (const asked of locks) {
          const words = await refusalOf(context, one, key, asked, 'the key is in use as a semaphore');
          assert.match(words, /semaphore|permit/, `The refusal must name both kinds of use: "${words}"`);
          assert.match(words, /lock|exclusive|shared/, `The refusal must name both kinds of use: "${words}"`);
        }
        await assertStands(context, hold, 'it was asked for as a lock');
        await assertRelease(two.release(hold));
        await assertClaimFree(context, two, key, claim, 'the semaphore is in no use any more');
      }
    },
  },
  {
    id: 'LK-0223',
    level: 'MUST',
    heavy: true,
    rule: 'C-173',
    title: 'requests for permits that come and leave in a random order are granted by the rule, in each step',
    hazards: [94, 95, 105, 106],
    requires: { permits: true },
    needs: ['enqueue'],
    run: (context) => followRule(context, () => permits(context.random.pick([1, 2, 3, 5, 7]), 7)),
  },
];

/** Fails unless a stranger is refused for good, by every way to ask; what the refusal says. */
async function refusalOf(
  context: Context,
  adapter: LockAdapter,
  key: string,
  claim: Claim,
  why: string,
): Promise<string> {
  const says = async (ask: Promise<{ readonly status: string }>): Promise<string> => {
    const answer = await context
      .soon(`a request for ${nameOf(claim)} is refused: ${why}`, ask)
      .catch((error: unknown) => error);
    if (answer instanceof TooLate) throw answer;
    if (!isLockError(answer, 'LOCK_INVALID_ARGUMENT') || answer.retryable) {
      const got = answer instanceof Error ? String(answer) : (answer as { status: string }).status;
      throw new assert.AssertionError({
        message: `A request for ${nameOf(claim)} must be refused with LOCK_INVALID_ARGUMENT, not retryable: ${why}; the answer was ${got}`,
      });
    }
    return answer.message;
  };
  const attempt = context.attempt(key, { claim });
  const leaving = new AbortController();
  try {
    if (adapter.enqueue)
      await says(adapter.enqueue(context.attempt(key, { claim, signal: leaving.signal }), leaving.signal));
    return await says(adapter.tryAcquire(attempt));
  } finally {
    leaving.abort(new Error('the case goes on'));
    await adapter.release(attempt).catch(() => {});
  }
}
