import assert from 'node:assert/strict';
import type { Claim } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import { assertRelease } from './assert-release.ts';
import {
  assertClaimBusy,
  assertClaimFree,
  assertStands,
  exclusive,
  type Held,
  holdOf,
  shared,
  takeClaim,
} from './claim-holds.ts';
import { claimsOf, wholeOf } from './every-claim.ts';

/** What a hold is called, what a session promises, and how short a lease is. */
export const claimRefCases: readonly Case[] = [
  {
    id: 'LK-0309',
    level: 'MUST',
    rule: 'C-273',
    title: 'a hold is found by its owner, also when it is called shared and is exclusive still',
    hazards: [98],
    requires: { shared: true },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const writer = await takeClaim(context, one, context.key(), exclusive);
      // A downgrade whose request was lost: nobody knows whether it was made.
      const named = { ...writer, claim: shared };
      await assertStands(context, named, 'it is exclusive still, and called shared');
      const [answer] = (await one.renewMany?.([named], context.timing.longTtlMs)) ?? [];
      assert.equal(answer?.status ?? 'renewed', 'renewed', 'An exclusive hold that is called shared, renewed jointly');
      // To renew it may make up for the downgrade. Nobody else is exclusive beside it in any case.
      await assertClaimBusy(context, two, writer.key, exclusive, 'it is held, exclusively or shared');
      await assertRelease(one.release(named));
      await assertClaimFree(context, two, writer.key, exclusive, 'its holder, called a reader, released it');
    },
  },
  {
    id: 'LK-0322',
    level: 'MUST',
    rule: 'C-296',
    title: 'a hold that was downgraded is found by its owner, also when it is called exclusive still',
    hazards: [98],
    requires: { shared: true },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      // A renewal that was sent before the downgrade, and comes after it.
      const former = await takeClaim(context, one, context.key(), exclusive);
      await one.downgrade!(former, context.timing.longTtlMs);
      await assertStands(context, former, 'it was downgraded, and is called exclusive still');
      const [late] = (await one.renewMany?.([former], context.timing.longTtlMs)) ?? [];
      assert.equal(late?.status ?? 'renewed', 'renewed', 'A hold that was downgraded, renewed jointly as exclusive');
      // The request that it was granted by may come once more: nobody waits for its answer, and it changes nothing.
      await one.tryAcquire(context.attempt(former.key, { owner: former.owner, claim: exclusive }));
      const reader = await takeClaim(context, two, former.key, shared);
      await assertRelease(two.release(reader));
      await assertRelease(one.release(former));
      await assertClaimFree(
        context,
        two,
        former.key,
        exclusive,
        'one that had downgraded, called a writer, released it',
      );
    },
  },
  {
    id: 'LK-0343',
    level: 'MUST',
    rule: 'C-324',
    title: 'a claim that is left out is an exclusive one, in requests and in what names a hold',
    hazards: [],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const trial = async (granted: Claim | undefined, named: Claim | undefined) => {
        const { key, owner } = await context.take(one, context.key(), { claim: granted });
        const ref = { key, owner, claim: named, adapter: one };
        const how = `it was asked for ${granted ? 'as exclusive' : 'without a claim'}, and is named ${named ? 'so' : 'without one'}`;
        await assertStands(context, ref, how);
        const again = await one.tryAcquire(context.attempt(key, { owner, claim: named }));
        assert.equal(again.status, 'granted', `The holder asked again and was refused its own lock: ${how}`);
        await assertClaimBusy(context, two, key, exclusive, how);
        await assertRelease(one.release(ref));
        await context.assertFree(two, key, how);
      };
      await Promise.all([trial(undefined, exclusive), trial(exclusive, undefined)]);
    },
  },
  {
    id: 'LK-0310',
    level: 'MUST',
    long: true,
    rule: 'C-274',
    title: 'expiry session: a hold stands for as long as its answers promise, without another word',
    hazards: [82, 88],
    requires: { expiry: 'session' },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const { ttlMs, leaseMs } = context.timing;
      const stands = async (isRenewed: boolean) => {
        const hold = await takeClaim(context, one, context.key(), exclusive, { ttlMs: leaseMs });
        const { granted, key } = hold;
        let endsAt = hold.sentAt + granted.validForMs;
        if (isRenewed) {
          await context.sleep(ttlMs / 2);
          const sentAt = context.now();
          const answer = await one.renew(hold, leaseMs);
          if (answer.status === 'lost') await context.assertMachineRan(ttlMs / 4);
          assert.equal(answer.status, 'renewed', 'A hold must stand: its lease has just begun');
          if (answer.status === 'renewed') endsAt = sentAt + answer.validForMs;
        }
        while (context.now() < endsAt) {
          const stranger = context.attempt(key);
          const { status } = await two.tryAcquire(stranger);
          const leftMs = Math.round(endsAt - context.now());
          if (status === 'granted') await two.release(stranger);
          if (status !== 'busy') context.assertNotEarly(leftMs, 'Another owner was let in too early');
          await context.sleep(context.timing.pollMs);
        }
        await assertRelease(one.release(hold));
      };
      await Promise.all([stands(false), stands(true)]);
    },
  },
  {
    id: 'LK-0311',
    level: 'MUST',
    rule: 'C-19',
    title: 'a lease of less than the declared shortest TTL lasts for the shortest one',
    hazards: [82, 88],
    requires: { expiry: 'ttl' },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const { ttl, shared: hasShared } = context.harness.capabilities;
      const lasts = async (claim: Claim, how: string, begin?: (hold: Held) => Promise<unknown> | undefined) => {
        const hold = await takeClaim(context, one, context.key(), claim, begin ? {} : { ttlMs: 1 });
        const beganAt = begin ? context.now() : hold.sentAt;
        await begin?.(hold);
        const stranger = context.attempt(hold.key, { claim: wholeOf(claim) });
        // Nothing is to be seen of a shortest TTL that takes no longer than a call.
        while (context.now() < beganAt + ttl.minMs) {
          const { status } = await two.tryAcquire(stranger);
          const afterMs = Math.round(context.now() - beganAt);
          if (status === 'granted') await two.release(stranger);
          assert.ok(
            status === 'busy' || afterMs >= ttl.minMs,
            `Declares a shortest TTL of ${ttl.minMs} ms; a lease of 1 ms of ${holdOf(claim)}, ${how}, was over after ${afterMs} ms`,
          );
          await context.sleep(Math.max(1, Math.min(context.timing.pollMs, ttl.minMs / 8)));
        }
        await two.release(stranger);
        await one.release(hold);
      };
      const trials = claimsOf(context).flatMap((claim) => [
        lasts(claim, 'granted'),
        lasts(claim, 'renewed', (hold) => one.renew(hold, 1)),
        lasts(claim, 'renewed jointly', (hold) => (one.renewMany ? one.renewMany([hold], 1) : one.renew(hold, 1))),
      ]);
      if (hasShared) trials.push(lasts(exclusive, 'downgraded', (hold) => one.downgrade!(hold, 1)));
      await Promise.all(trials);
    },
  },
];
