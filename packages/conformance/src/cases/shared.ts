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
  shared,
  takeClaim,
} from './claim-holds.ts';

/** Readers and writers of one key. */
export const sharedCases: readonly Case[] = [
  {
    id: 'LK-0200',
    level: 'MUST',
    rule: 'C-172',
    title: 'readers hold a key together; a writer gets in after the last of them, and no reader beside it',
    hazards: [44],
    requires: { shared: true },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const first = await takeClaim(context, one, key, shared);
      const second = await takeClaim(context, two, key, shared);
      const third = await takeClaim(context, one, key, shared);
      for (const [left, reader] of [third, first, second].entries()) {
        await assertClaimBusy(context, one, key, exclusive, 'readers hold the key');
        await assertClaimBusy(context, two, key, exclusive, 'readers hold the key');
        await assertStands(context, reader, `${left} of three readers have left`);
        await assertRelease(reader.adapter.release(reader));
      }
      const writer = await takeClaim(context, two, key, exclusive);
      await assertClaimBusy(context, one, key, shared, 'a writer holds the key');
      await assertClaimBusy(context, two, key, shared, 'a writer of the same client holds the key');
      await assertRelease(two.release(writer));
      await assertClaimFree(context, one, key, shared, 'the writer has left');
    },
  },
  {
    id: 'LK-0203',
    level: 'MUST',
    rule: 'C-174',
    title: 'the token of a shared grant is not below any exclusive one before it, and below every one after it',
    hazards: [62, 109],
    requires: { shared: true, fencing: true },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const early = await takeClaim(context, one, key, shared);
      await assertRelease(one.release(early));
      const read: bigint[] = [early.fencingToken!];
      for (const tokens of [1, 3, 1, 1]) {
        const writer = await takeClaim(context, one, key, exclusive, { tokens });
        const written = writer.fencingToken!;
        for (const token of read)
          assert.ok(written > token, `An exclusive grant got token ${written} after a shared one with ${token}`);
        await assertRelease(one.release(writer));
        const attempts = Array.from({ length: 7 }, () => context.attempt(key, { claim: shared }));
        const answers = await Promise.all(attempts.map((attempt, i) => [one, two][i % 2]!.tryAcquire(attempt)));
        const own = answers.map((answer) => {
          assert.equal(answer.status, 'granted', 'Readers that ask together, with nobody else there, are all granted');
          return answer.status === 'granted' ? answer.fencingToken! : 0n;
        });
        await Promise.all(attempts.map((attempt, i) => [one, two][i % 2]!.release(attempt)));
        for (const token of own)
          assert.ok(token >= written, `A shared grant got token ${token} after an exclusive one with ${written}`);
        read.push(...own);
      }
    },
  },
  {
    id: 'LK-0204',
    level: 'MUST',
    long: true,
    rule: 'C-175',
    title:
      'a reader whose lease is over is gone, however the others renew theirs, and its late calls touch none of them',
    hazards: [7, 93],
    requires: { shared: true, expiry: 'ttl' },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const { ttlMs, longTtlMs } = context.timing;
      const long = await takeClaim(context, one, key, shared);
      const dying = await takeClaim(context, two, key, shared, { ttlMs });
      const other = await takeClaim(context, two, key, shared);
      const { ttl } = context.harness.capabilities;
      const goneBy =
        context.now() + longestLease(context.harness.capabilities, ttlMs) + ttl.maxOvershootMs + context.slackMs;
      // Only the others renew; each renewal is a chance to keep the third alive.
      while (context.now() < goneBy) {
        await assertStands(context, long, 'it is renewed');
        await one.renewMany?.([long], longTtlMs);
        await assertStands(context, other, 'it is renewed');
        await context.sleep(ttlMs / 9);
      }
      await assertGone(context, dying, 'its lease is over, and only other readers renewed theirs');
      await assertStands(context, long, 'a reader that is gone was released');
      await assertStands(context, other, 'a reader that is gone was released');
      await assertRelease(one.release(long));
      await assertClaimBusy(context, one, key, exclusive, 'one reader holds the key still');
      await assertRelease(two.release(other));
      await assertClaimFree(context, one, key, exclusive, 'of three readers two have left and one is gone');
    },
  },
  {
    id: 'LK-0205',
    level: 'MUST',
    rule: 'C-175',
    title: 'the release of one reader, also repeated or by a stranger, is that of no other',
    hazards: [1, 7],
    requires: { shared: true },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const readers = [
        await takeClaim(context, one, key, shared),
        await takeClaim(context, two, key, shared),
        await takeClaim(context, one, key, shared),
      ] as const;
      await assertRelease(one.release(context.attempt(key, { claim: shared })), 'not-held');
      await assertRelease(readers[0].adapter.release(readers[0]));
      await assertGone(context, readers[0], 'it was released');
      for (const reader of readers.slice(1)) await assertStands(context, reader, 'another reader was released twice');
      await assertRelease(readers[1].adapter.release(readers[1]));
      await assertStands(context, readers[2], 'two others were released');
      await assertClaimBusy(context, two, key, exclusive, 'one reader of three is left');
      await assertRelease(readers[2].adapter.release(readers[2]));
      await assertClaimFree(context, two, key, exclusive, 'the last reader has left');
    },
  },
  {
    id: 'LK-0206',
    level: 'MUST',
    rule: 'C-187',
    title: 'a forced release that names a reader frees that one alone; one without a name frees all of them',
    hazards: [7],
    requires: { shared: true },
    needs: ['namedForceRelease'],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const [a, b, c] = [
        await takeClaim(context, one, key, shared),
        await takeClaim(context, two, key, shared),
        await takeClaim(context, two, key, shared),
      ];
      assert.equal(await one.forceRelease!(key, b.owner), true, 'A reader was to be freed by name');
      assert.equal(await one.forceRelease!(key, b.owner), false, 'A reader was freed by name twice');
      await assertGone(context, b, 'it was released by force');
      await assertStands(context, a, 'another reader was released by force');
      await assertStands(context, c, 'another reader was released by force');
      assert.equal(await two.forceRelease!(key), true, 'Two readers were to be freed');
      await assertGone(context, a, 'all readers were released by force');
      await assertGone(context, c, 'all readers were released by force');
      await assertClaimFree(context, one, key, exclusive, 'all readers were released by force');
      const writer = await takeClaim(context, one, key, exclusive);
      await one.downgrade!(writer, context.timing.longTtlMs);
      const isFreed = await two.forceRelease!(key, writer.owner);
      assert.equal(isFreed, true, 'A writer that had downgraded was to be freed by name');
      await assertGone(context, writer, 'it was released by force, after its downgrade');
    },
  },
  {
    id: 'LK-0209',
    level: 'MUST',
    rule: 'C-177',
    title: 'a reader that asks again has the hold that it had, with its token, and one release ends it',
    hazards: [12, 64],
    requires: { shared: true },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const other = await takeClaim(context, two, key, shared);
      const reader = await takeClaim(context, one, key, shared);
      const { owner } = reader;
      for (const ttlMs of [context.timing.longTtlMs, context.timing.ttlMs]) {
        const again = await one.tryAcquire(context.attempt(key, { owner, claim: shared, ttlMs }));
        assert.equal(again.status, 'granted', 'A reader asked again and was refused its own hold');
        if (again.status === 'granted')
          assert.equal(again.fencingToken, reader.fencingToken, 'Asking again changed the token of a reader');
      }
      await assertStands(context, reader, 'it asked again');
      await assertStands(context, other, 'another reader asked again');
      await assertRelease(one.release(reader));
      await assertGone(context, reader, 'it asked three times for one hold, and gave it back');
      await assertRelease(two.release(other));
      await assertClaimFree(context, two, key, exclusive, 'a reader that asked again was released');
    },
  },
];
