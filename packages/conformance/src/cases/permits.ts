import assert from 'node:assert/strict';
import type { Case } from '../case.ts';
import { longestLease } from '../key-ends.ts';
import { assertRelease } from './assert-release.ts';
import {
  assertClaimBusy,
  assertClaimFree,
  assertGone,
  assertStands,
  exclusive,
  permits,
  takeClaim,
} from './claim-holds.ts';

/** Permits of one key. */
export const permitCases: readonly Case[] = [
  {
    id: 'LK-0212',
    level: 'MUST',
    rule: 'C-179',
    title: 'permits are granted up to the limit, in any sizes and to any clients, and come back one by one',
    hazards: [32, 94],
    requires: { permits: true },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const three = await takeClaim(context, one, key, permits(3, 7));
      const pair = await takeClaim(context, two, key, permits(2, 7));
      await assertClaimBusy(context, one, key, permits(3, 7), '5 of 7 permits are held');
      const last = await takeClaim(context, one, key, permits(2, 7));
      await assertClaimBusy(context, two, key, permits(1, 7), 'all of 7 permits are held');
      await assertRelease(one.release(three));
      await assertClaimBusy(context, two, key, permits(4, 7), '4 of 7 permits are held');
      await assertStands(context, pair, 'others were released');
      const again = await takeClaim(context, two, key, permits(3, 7));
      await assertClaimBusy(context, one, key, permits(1, 7), 'all of 7 permits are held');
      for (const hold of [last, pair, again]) await assertRelease(hold.adapter.release(hold));
      await assertClaimFree(context, one, key, permits(7, 7), 'all permits were given back');
      const single = await takeClaim(context, two, key, permits(1, 1));
      await assertClaimBusy(context, one, key, permits(1, 1), 'the only permit is held');
      await assertRelease(two.release(single));
    },
  },
  {
    id: 'LK-0213',
    level: 'MUST',
    heavy: true,
    rule: 'C-179',
    title: 'of many requests at once never more permits are held than there are, and none is left over in the end',
    hazards: [32, 94, 100],
    requires: { permits: true },
    async run(context) {
      const clients = [await context.client(), await context.client(), await context.client()];
      const { random } = context;
      const limit = 5;
      const key = context.key();
      await context.race(async () => {
        let held = 0;
        const turn = async (i: number): Promise<number> => {
          const adapter = clients[i % 3]!;
          const count = random.pick([1, 1, 2, 3]);
          const attempt = context.attempt(key, { claim: permits(count, limit) });
          const { status } = await adapter.tryAcquire(attempt);
          if (status === 'busy') return 1;
          held += count;
          assert.ok(held <= limit, `${held} permits were held of ${limit}`);
          if (random.next() < 0.5) await adapter.tryAcquire(attempt);
          if (random.next() < 0.2) await context.sleep(random.between(0, 4));
          held -= count;
          await assertRelease(adapter.release(attempt));
          if (random.next() < 0.5) await assertRelease(adapter.release(attempt), 'not-held');
          return 1;
        };
        const turns = await Promise.all(Array.from({ length: 12 }, (_, i) => turn(i)));
        return turns.length;
      });
      await assertClaimFree(context, clients[0]!, key, permits(limit, limit), 'all permits were given back');
    },
  },
  {
    id: 'LK-0216',
    level: 'MUST',
    long: true,
    rule: 'C-180',
    title: 'the late release, renewal or request of a hold whose permits came back touches no live one',
    hazards: [7, 93, 94, 100],
    requires: { permits: true, expiry: 'ttl' },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const { ttlMs } = context.timing;
      const standing = await takeClaim(context, one, key, permits(2, 5));
      const dying = await takeClaim(context, one, key, permits(3, 5), { ttlMs });
      const { ttl } = context.harness.capabilities;
      const overAt =
        context.now() + longestLease(context.harness.capabilities, ttlMs) + ttl.maxOvershootMs + context.slackMs;
      const stranger = context.attempt(key, { claim: permits(1, 5) });
      const { status } = await two.tryAcquire(stranger);
      await two.release(stranger);
      // On a machine that stalls they may be over by now.
      const isOver = context.now() >= dying.sentAt + dying.granted.validForMs;
      assert.ok(status === 'busy' || isOver, 'A request for 1 of 5 permits was granted, and all are held');
      while (context.now() < overAt) {
        await assertStands(context, standing, 'it is renewed');
        await context.sleep(ttlMs / 9);
      }
      const next = await takeClaim(context, two, key, permits(3, 5));
      assert.ok(next.granted.validForMs > 0, 'Permits were given to another for no time');
      const earlyMs = dying.sentAt + dying.granted.validForMs - context.now();
      context.assertNotEarly(earlyMs, 'Permits were given to another before their lease could have ended');
      await assertGone(context, dying, 'its permits are those of another by now');
      const again = await one.tryAcquire(context.attempt(key, { owner: dying.owner, claim: permits(3, 5) }));
      assert.equal(again.status, 'busy', 'Whose permits went to another asked again: it is a stranger');
      await assertGone(context, dying, 'its permits are those of another by now');
      await assertClaimBusy(
        context,
        one,
        key,
        permits(1, 5),
        'permits that were over were released, and 5 of 5 are held',
      );
      await assertStands(context, next, 'permits that were over were released');
      await assertStands(context, standing, 'permits that were over were released');
      for (const hold of [next, standing]) await assertRelease(hold.adapter.release(hold));
      await assertClaimFree(context, one, key, permits(5, 5), 'all permits were given back');
    },
  },
  {
    id: 'LK-0219',
    level: 'MUST',
    rule: 'C-182',
    title: 'each grant of permits has a fencing token of its own, higher than those before it',
    hazards: [62],
    requires: { permits: true, fencing: true },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const writer = await takeClaim(context, one, key, exclusive, { tokens: 5 });
      await assertRelease(one.release(writer));
      let last = writer.fencingToken! + BigInt(writer.granted.tokens ?? 1) - 1n;
      for (let round = 0; round < 2; round++) {
        const holds = [];
        for (const [i, tokens] of [1, 3, 1].entries()) {
          const hold = await takeClaim(context, [one, two][i % 2]!, key, permits(1, 3), { tokens });
          const token = hold.fencingToken!;
          assert.ok(token > last, `A grant of permits got token ${token}, and ${last} was given before`);
          last = token + BigInt(hold.granted.tokens ?? 1) - 1n;
          holds.push(hold);
        }
        for (const hold of holds.reverse()) await assertRelease(hold.adapter.release(hold));
      }
      const after = await takeClaim(context, two, key, exclusive);
      assert.ok(after.fencingToken! > last, `A lock got token ${after.fencingToken}, and ${last} was given before`);
      await assertRelease(two.release(after));
    },
  },
  {
    id: 'LK-0221',
    level: 'MUST',
    rule: 'C-177',
    title: 'who asks again for its permits has those that it had, and one release gives them back',
    hazards: [12, 64, 94],
    requires: { permits: true },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const hold = await takeClaim(context, one, key, permits(2, 5));
      const { owner } = hold;
      for (let i = 0; i < 3; i++) {
        const again = await one.tryAcquire(context.attempt(key, { owner, claim: permits(2, 5) }));
        assert.equal(again.status, 'granted', 'Who held permits asked again and was refused its own');
        if (again.status === 'granted')
          assert.equal(again.fencingToken, hold.fencingToken, 'Asking again changed the token of permits');
      }
      const rest = await takeClaim(context, two, key, permits(3, 5));
      await assertClaimBusy(context, one, key, permits(1, 5), 'all of 5 permits are held');
      // Nothing is free now, and what the owner has is its own all the same.
      const full = await one.tryAcquire(context.attempt(key, { owner, claim: permits(2, 5) }));
      assert.equal(full.status, 'granted', 'Who held permits asked again and was refused its own');
      await assertRelease(one.release(hold));
      await assertGone(context, hold, 'it was released');
      await assertStands(context, rest, 'others were released');
      await assertClaimFree(context, one, key, permits(2, 5), 'one release gives back what was asked for many times');
      await assertClaimBusy(context, one, key, permits(3, 5), '3 of 5 permits are held');
      await assertRelease(two.release(rest));
    },
  },
  {
    id: 'LK-0222',
    level: 'MUST',
    rule: 'C-187',
    title: 'a forced release that names a holder of permits frees those alone; one without a name frees all',
    hazards: [94, 100],
    requires: { permits: true },
    needs: ['namedForceRelease'],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const [a, b] = [
        await takeClaim(context, one, key, permits(3, 7)),
        await takeClaim(context, two, key, permits(2, 7)),
      ];
      assert.equal(await two.forceRelease!(key, a.owner), true, 'A holder of permits was to be freed by name');
      assert.equal(await two.forceRelease!(key, a.owner), false, 'A holder of permits was freed by name twice');
      await assertGone(context, a, 'it was released by force');
      await assertStands(context, b, 'another holder was released by force');
      await assertClaimBusy(context, one, key, permits(6, 7), '2 of 7 permits are held');
      const c = await takeClaim(context, one, key, permits(5, 7));
      assert.equal(await one.forceRelease!(key), true, 'Two holders of permits were to be freed');
      await assertGone(context, b, 'all holders were released by force');
      await assertGone(context, c, 'all holders were released by force');
      // Of another limit: the key is in no use.
      await assertClaimFree(context, two, key, permits(4, 4), 'all holders were released');
    },
  },
];
