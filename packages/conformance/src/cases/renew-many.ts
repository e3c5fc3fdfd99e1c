import assert from 'node:assert/strict';
import type { HoldRef, LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import { type Context, newOwner, type RawHold } from '../context.ts';
import { longestLease } from '../key-ends.ts';
import { takeClaim } from './claim-holds.ts';
import { sharedClaimsOf } from './every-claim.ts';

/** More than any request of a backend takes in one go; fewer on a slow backend. */
const MOST = 1_037;
const LEAST = 263;

/** Takes many holds, as many as the backend gives in the time of a race. */
async function takeMany(context: Context, adapter: LockAdapter, least = LEAST): Promise<RawHold[]> {
  const startedAt = context.now();
  const holds: RawHold[] = [];
  while (holds.length < least || (holds.length < MOST && context.now() - startedAt < context.raceMs)) {
    const count = Math.min(holds.length < least ? least : 100, MOST - holds.length);
    const ttlMs = context.timing.longTtlMs;
    holds.push(
      ...(await Promise.all(Array.from({ length: count }, () => context.take(adapter, context.key(), { ttlMs })))),
    );
  }
  return holds;
}

/** Renewing many holds together. */
export const renewManyCases: readonly Case[] = [
  {
    id: 'LK-0174',
    level: 'MUST',
    heavy: true,
    rule: 'C-31',
    title:
      'renewMany answers for every one of many hundred holds, in order: its own, foreign ones and those that are over',
    hazards: [17],
    needs: ['renewMany'],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const own = await takeMany(context, one);
      const foreign = await Promise.all([1, 2, 3, 4, 5].map(() => context.take(two, context.key())));
      const list: { hold: HoldRef; expected: 'renewed' | 'lost' }[] = own.map((hold) => ({
        hold,
        expected: 'renewed',
      }));
      // In places that a seed draws: no order but the right one gives these answers.
      const strew = (hold: HoldRef) =>
        list.splice(Math.floor(context.random.between(0, list.length)), 0, { hold, expected: 'lost' });
      for (const { key } of foreign) strew({ key, owner: newOwner() });
      for (let i = 0; i < 17; i++) strew({ key: context.key(), owner: newOwner() });
      list.unshift({ hold: { key: context.key(), owner: newOwner() }, expected: 'lost' });
      // One hold twice, and another owner of its key before it and after it.
      for (const { key, owner } of context.random.pick([own.slice(0, 3), own.slice(-3)])) {
        strew({ key, owner: newOwner() });
        strew({ key, owner: newOwner() });
        list.splice(Math.floor(context.random.between(0, list.length)), 0, {
          hold: { key, owner },
          expected: 'renewed',
        });
      }
      for (const claim of sharedClaimsOf(context)) {
        const key = context.key();
        for (let i = 0; i < 3; i++) {
          list.push({ hold: { key, owner: newOwner(), claim }, expected: 'lost' });
          list.push({ hold: await takeClaim(context, one, key, claim), expected: 'renewed' });
        }
      }
      const answers = await one.renewMany!(
        list.map(({ hold }) => hold),
        context.timing.longTtlMs,
      );
      assert.equal(
        answers.length,
        list.length,
        `${list.length} holds were to be renewed, and ${answers.length} answers came`,
      );
      const wrong = list.findIndex(({ expected }, i) => answers[i]?.status !== expected);
      assert.equal(
        wrong,
        -1,
        `Of ${list.length} holds, number ${wrong + 1} must be "${list[wrong]?.expected}"; it was answered "${answers[wrong]?.status}"`,
      );
      context.measures.holdsRenewedTogether = list.length;
      for (const hold of foreign)
        assert.equal(
          (await two.renew(hold, context.timing.longTtlMs)).status,
          'renewed',
          'renewMany disturbed a foreign hold',
        );
    },
  },
  {
    id: 'LK-0175',
    level: 'MUST',
    long: true,
    heavy: true,
    rule: 'C-32',
    title: 'every hold that renewMany answers with renewed has the whole lease that it promises',
    hazards: [17, 82],
    needs: ['renewMany'],
    requires: { expiry: 'ttl' },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const { granularityMs, maxOvershootMs } = context.harness.capabilities.ttl;
      const { ttlMs, leaseMs, longTtlMs } = context.timing;
      const many = await takeMany(context, one, 163);
      // Some whose end can be waited for, among the many, at the beginning, in the middle and at the end.
      const few = await Promise.all([1, 2, 3, 4].map(() => context.take(one, context.key(), { ttlMs: longTtlMs })));
      const half = Math.floor(many.length / 2);
      const holds = [few[0]!, ...many.slice(0, half), few[1]!, few[2]!, ...many.slice(half), few[3]!];
      const renewedTtlMs = leaseMs + Math.min(ttlMs, 437);
      const sentAt = context.now();
      const answers = await one.renewMany!(holds, renewedTtlMs);
      const promisedUntil = holds.map((_, i) => {
        const answer = answers[i]!;
        assert.equal(answer.status, 'renewed', `renewMany answers "${answer.status}" for a hold that stands`);
        return sentAt + (answer.status === 'renewed' ? answer.validForMs : 0);
      });
      if (one.inspect) {
        // A shorter lease than before shows in what is left at most, and a longer one in what is left at least.
        const most = longestLease(context.harness.capabilities, renewedTtlMs) + maxOvershootMs + granularityMs;
        const looks = holds.map(async ({ key }, i) => {
          const info = await two.inspect!(key);
          const leftMs = promisedUntil[i]! - context.now() - granularityMs;
          const is = info?.remainingMs ?? 0;
          if (leftMs <= 0) return;
          const told = `renewMany promised ${Math.round(leftMs)} ms more; inspect says ${info?.remainingMs} for hold ${i + 1} of ${holds.length}`;
          assert.ok(is <= most, told);
          context.assertNotEarly(leftMs - is, told);
        });
        await Promise.all(looks);
      }
      await Promise.all(few.map((hold) => context.takeOver(two, hold.key, promisedUntil[holds.indexOf(hold)]!)));
    },
  },
];
