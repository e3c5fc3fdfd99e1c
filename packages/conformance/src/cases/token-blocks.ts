import assert from 'node:assert/strict';
import type { AcquireOutcome, Claim, LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context, RawHold } from '../context.ts';
import { holdOf, takeClaim } from './claim-holds.ts';
import { claimsOf, wholeOf } from './every-claim.ts';
import { join } from './join-queue.ts';

/** How long a key lies idle before its next token: longer than a cache or a sweep that forgets its counter might wait. */
const IDLE_MS = { usual: 2_300, thorough: 21_000 };

const lastOf = ({ fencingToken, granted }: RawHold): bigint => fencingToken! + BigInt(granted.tokens ?? 1) - 1n;

function assertAbove(earlier: RawHold, later: RawHold, after: string): void {
  assert.ok(
    later.fencingToken! > lastOf(earlier),
    `After ${after} came token ${later.fencingToken}; up to ${lastOf(earlier)} were reserved before`,
  );
}

/** A hold of the first client that the queue granted it. */
async function takeQueued(
  context: Context,
  [one, two]: readonly [LockAdapter, LockAdapter],
  key: string,
  claim: Claim,
  tokens: number,
): Promise<RawHold> {
  const before = await takeClaim(context, two, key, wholeOf(claim));
  const { attempt, calledAt, granted } = await join(context, one, key, { claim, tokens });
  await two.release(before);
  const answer = await context.soon('a waiter is granted after the release', granted);
  const { owner } = attempt;
  return { key, owner, claim, fencingToken: answer.fencingToken, granted: answer, sentAt: calledAt };
}

/** Blocks of fencing tokens, over all that may happen to a hold. */
export const tokenBlockCases: readonly Case[] = [
  {
    id: 'LK-0176',
    level: 'MUST',
    rule: 'C-87',
    title: 'the tokens of a block are given to no later hold, however the hold that reserved them ended',
    hazards: [62],
    needs: ['lapse'],
    requires: { fencing: true },
    async run(context) {
      const two = await context.client();
      const { ttlMs } = context.timing;
      // A session ends with all its holds, so that every hold has a client of its own.
      const expired = async (tokens: number) => {
        const [one, key] = [await context.client(), context.key()];
        const old = await context.take(one, key, { ttlMs, tokens });
        assertAbove(old, await context.takeOver(two, key, old.sentAt), 'a hold that ended by itself');
      };
      const renewed = async (tokens: number) => {
        const [one, key] = [await context.client(), context.key()];
        const old = await context.take(one, key, { tokens });
        await one.renew(old, context.timing.longTtlMs);
        await one.renewMany?.([old], context.timing.longTtlMs);
        await one.release(old);
        assertAbove(old, await context.take(two, key, { tokens: 3 }), 'a hold that was renewed and released');
      };
      const forced = async (tokens: number) => {
        const [one, key] = [await context.client(), context.key()];
        if (!one.forceRelease) return;
        const old = await context.take(one, key, { tokens });
        await two.forceRelease!(key);
        assertAbove(old, await context.take(two, key), 'a forced release');
      };
      await Promise.all([expired(11), expired(64), expired(1_037), renewed(13), forced(9)]);
    },
  },
  {
    id: 'LK-0177',
    level: 'MUST',
    rule: 'C-11',
    title: 'the owner that asks again has the block that it had, whether it asks for more tokens or for fewer',
    hazards: [12, 62],
    requires: { fencing: true },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const trial = async (claim: Claim, [first, again]: readonly [number, number], isQueued: boolean) => {
        const key = context.key();
        const old = isQueued
          ? await takeQueued(context, [one, two], key, claim, first)
          : await takeClaim(context, one, key, claim, { tokens: first });
        const block = [old.fencingToken, old.granted.tokens ?? 1];
        const attempt = context.attempt(key, { owner: old.owner, tokens: again, claim });
        const answers: AcquireOutcome[] = [await one.tryAcquire(attempt), await one.tryAcquire(attempt)];
        await one.renew(old, context.timing.longTtlMs);
        await one.renewMany?.([old], context.timing.longTtlMs);
        answers.push(await one.tryAcquire(attempt));
        if (one.enqueue)
          answers.push(await context.soon('enqueue of the holder', one.enqueue(attempt, attempt.signal)));
        for (const outcome of answers) {
          assert.equal(outcome.status, 'granted', 'The holder asked again and was refused its own lock');
          if (outcome.status !== 'granted') continue;
          assert.deepEqual(
            [outcome.fencingToken, outcome.tokens ?? 1],
            block,
            `The owner of ${holdOf(claim)} with a block of ${first} tokens asked again for ${again}, and was told of another block`,
          );
        }
        await one.release(old);
        const next = await takeClaim(context, two, key, claim);
        assertAbove(old, next, `a block of ${first} that was asked for again with ${again}`);
      };
      const sizes = [
        [3, 17],
        [17, 3],
        [1, 8],
        [6, 1],
      ] as const;
      const claims = claimsOf(context).filter(({ mode }) => mode !== 'shared');
      const trials = claims.flatMap((claim) =>
        sizes.flatMap((size) => (one.enqueue ? [false, true] : [false]).map((queued) => trial(claim, size, queued))),
      );
      await Promise.all(trials);
    },
  },
  {
    id: 'LK-0178',
    level: 'MUST',
    long: true,
    rule: 'C-84',
    title: 'the fencing token rises over a time in which nobody wants the key',
    hazards: [62],
    requires: { fencing: true },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const old = await context.take(one, key, { tokens: 5 });
      await one.release(old);
      await context.sleep(context.thorough ? IDLE_MS.thorough : IDLE_MS.usual);
      assertAbove(old, await context.take(two, key), 'a time without a holder');
    },
  },
];
