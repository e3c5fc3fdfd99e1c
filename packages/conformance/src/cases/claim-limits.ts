import assert from 'node:assert/strict';
import { isLockError } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { assertRelease } from './assert-release.ts';
import { assertClaimBusy, assertClaimFree, permits, takeClaim } from './claim-holds.ts';

/** The greatest that there is, and others that a careless sum or field cannot hold. */
const LIMITS = [131, 257, 1_009, 32_771, 65_543, 1_000_003, 2 ** 31 - 1];

/** Whether the backend takes a limit: where permits are votes of nodes, it may refuse one that is not safe (C-230). */
async function takes(context: Context, limit: number): Promise<boolean> {
  const adapter = await context.client();
  const attempt = context.attempt(context.key(), { claim: permits(1, limit) });
  try {
    await adapter.tryAcquire(attempt);
  } catch (error) {
    if (!isLockError(error, 'LOCK_INVALID_ARGUMENT')) throw error;
    return false;
  }
  await adapter.release(attempt);
  return true;
}

/** Limits of all sizes. */
export const claimLimitCases: readonly Case[] = [
  {
    id: 'LK-0300',
    level: 'MUST',
    rule: 'C-183',
    title: 'permits are counted up to the greatest limit of 2^31-1, and not beyond',
    hazards: [9, 32],
    requires: { permits: true },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const trial = async (limit: number) => {
        if (!(await takes(context, limit))) return;
        const key = context.key();
        const most = await takeClaim(context, one, key, permits(limit - 2, limit));
        await assertClaimBusy(context, two, key, permits(limit, limit), `${limit - 2} of ${limit} permits are held`);
        await assertClaimBusy(context, two, key, permits(3, limit), `${limit - 2} of ${limit} permits are held`);
        const rest = await takeClaim(context, two, key, permits(2, limit));
        await assertClaimBusy(context, one, key, permits(1, limit), `all of ${limit} permits are held`);
        const info = await one.inspect?.(key);
        assert.equal(info?.limit ?? limit, limit, 'The limit that inspect tells');
        await assertRelease(one.release(most));
        await assertClaimBusy(context, one, key, permits(limit - 1, limit), `2 of ${limit} permits are held`);
        await assertRelease(two.release(rest));
        await assertClaimFree(context, one, key, permits(limit, limit), 'all permits were given back');
      };
      await Promise.all(LIMITS.map(trial));
    },
  },
  {
    id: 'LK-0312',
    level: 'MUST',
    rule: 'C-177',
    title: 'who holds permits and asks for another number of them has those that it had',
    hazards: [64],
    requires: { permits: true },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      for (const [count, named] of [
        [5, 2],
        [1, 1],
        [7, 7],
      ] as const) {
        const key = context.key();
        const hold = await takeClaim(context, one, key, permits(2, 7));
        const again = await one.tryAcquire(context.attempt(key, { owner: hold.owner, claim: permits(count, 7) }));
        assert.equal(again.status, 'granted', `Who held 2 of 7 permits asked for ${count}, and was refused its own`);
        const rest = await takeClaim(context, two, key, permits(5, 7));
        await assertClaimBusy(context, two, key, permits(1, 7), 'all of 7 permits are held');
        // The release may name what was asked for last.
        await assertRelease(one.release({ ...hold, claim: permits(named, 7) }));
        await assertClaimBusy(context, one, key, permits(3, 7), '5 of 7 permits are held');
        await assertRelease(two.release(rest));
        await assertClaimFree(context, two, key, permits(7, 7), 'all permits were given back');
      }
    },
  },
];
