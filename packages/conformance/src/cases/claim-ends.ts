import assert from 'node:assert/strict';
import type { Claim, LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { longestLease } from '../key-ends.ts';
import { assertClaimFree, assertStands, exclusive, type Held, holdOf, takeClaim } from './claim-holds.ts';
import { claimsOf, wholeOf } from './every-claim.ts';
import { join } from './join-queue.ts';

/** What is asked first about a hold that is over; `live` holds the key beside it, if anybody does. */
type Request = (context: Context, by: LockAdapter, over: Held, live: Held | undefined) => Promise<void>;

const of = ({ claim = exclusive }: Held): string => `of ${holdOf(claim)} that was over`;

const requests: readonly Request[] = [
  async (context, _, over) => {
    const { status } = await over.adapter.renew(over, context.timing.longTtlMs);
    assert.equal(status, 'lost', `The renewal ${of(over)} was answered "${status}"`);
  },
  async (context, _, over) => {
    const [answer] = (await over.adapter.renewMany?.([over], context.timing.longTtlMs)) ?? [];
    assert.equal(answer?.status ?? 'lost', 'lost', `The joint renewal ${of(over)} was answered "${answer?.status}"`);
  },
  async (_, __, over) => {
    const answer = await over.adapter.release(over);
    assert.equal(answer, 'not-held', `The release ${of(over)} was answered "${answer}"`);
  },
  async (context, by, over) => {
    if (!context.forcesByName) return;
    const answer = await by.forceRelease!(over.key, over.owner);
    assert.equal(answer, false, `The forced release ${of(over)}, by its name, says that it freed it`);
  },
  async (_, by, over, live) => {
    if (!by.inspect) return;
    const info = await by.inspect(over.key);
    assert.equal(
      info?.owner,
      live?.owner,
      `inspect ${of(over)} names another holder than the one that is left, if any`,
    );
    assert.equal(info?.holders ?? 1, 1, `inspect ${of(over)} counts it still`);
    // Where tokens are revisions, readers carry that of the first of them (C-196), and `inspect` reports their own.
    if (over.claim?.mode !== 'shared')
      assert.equal(info?.fencingToken, live?.fencingToken, `inspect ${of(over)} tells its token still`);
  },
  async (context, by, over, live) => {
    if (live || !by.enqueue) return;
    const calledAt = context.now();
    const { attempt, granted } = await join(context, by, over.key, { claim: wholeOf(over.claim ?? exclusive) });
    await context.soon(`the queue grants the key ${of(over)}`, granted);
    const lateMs = context.now() - calledAt - 2 * context.latencyMs;
    // Asked once: a backend that stalls for a moment may be late, but one that polls takes longer.
    context.assertInTime(
      lateMs - 300,
      `The queue granted the key ${of(over)} ${Math.round(lateMs)} ms after the request`,
    );
    await by.release(attempt);
  },
  async (context, _, over) => {
    if (over.claim?.mode !== 'exclusive' || !over.adapter.downgrade) return;
    const { status } = await over.adapter.downgrade(over, context.timing.longTtlMs);
    assert.equal(status, 'lost', `The downgrade ${of(over)} was answered "${status}"`);
  },
];

/** Holds that expire, alone or with other holders of the key. */
export const claimEndCases: readonly Case[] = [
  {
    id: 'LK-0293',
    level: 'MUST',
    heavy: true,
    long: true,
    rule: 'C-262',
    title: 'one of several holds that has ended by itself is over, whatever is asked first, and the others stand',
    hazards: [1, 6, 100],
    requires: { expiry: 'ttl' },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const { capabilities } = context.harness;
      const { ttlMs } = context.timing;
      const trial = async (claim: Claim, request: Request, isAlone: boolean) => {
        const key = context.key();
        const over = await takeClaim(context, one, key, claim, { ttlMs });
        const live = isAlone ? undefined : await takeClaim(context, two, key, claim);
        await context.sleep(longestLease(capabilities, ttlMs) + capabilities.ttl.maxOvershootMs + context.slackMs);
        await request(context, two, over, live);
        if (live) {
          await assertStands(context, live, 'another holder of the key is over');
          await two.release(live);
        }
        await assertClaimFree(context, one, key, wholeOf(claim), 'one hold was over, and what was beside it released');
      };
      const trials = claimsOf(context).flatMap((claim) =>
        requests.flatMap((request) =>
          (claim.mode === 'exclusive' ? [true] : [true, false]).map((isAlone) => trial(claim, request, isAlone)),
        ),
      );
      await Promise.all(trials);
    },
  },
];
