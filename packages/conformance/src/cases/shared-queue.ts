import assert from 'node:assert/strict';
import type { Case } from '../case.ts';
import { assertRelease } from './assert-release.ts';
import {
  allGranted,
  assertClaimBusy,
  assertClaimFree,
  assertGone,
  assertStands,
  assertWaiting,
  exclusive,
  releaseWaiter,
  shared,
  takeClaim,
} from './claim-holds.ts';
import { followRule } from './follow-rule.ts';
import { join } from './join-queue.ts';

/** Readers and writers that wait, and what a downgrade does to them. */
export const sharedQueueCases: readonly Case[] = [
  {
    id: 'LK-0201',
    level: 'MUST',
    long: true,
    rule: 'C-173',
    title: 'a reader never passes a writer that waits, and readers behind it get in together after it',
    hazards: [91, 92],
    requires: { shared: true },
    needs: ['enqueue'],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const readers = [await takeClaim(context, one, key, shared), await takeClaim(context, two, key, shared)] as const;
      const writer = await join(context, two, key, { claim: exclusive });
      await assertClaimBusy(context, one, key, shared, 'a writer waits');
      await assertClaimBusy(context, two, key, exclusive, 'a writer waits');
      const behind = [
        await join(context, one, key, { claim: shared }),
        await join(context, two, key, { claim: shared }),
        await join(context, one, key, { claim: shared }),
      ];
      const lastWriter = await join(context, one, key, { claim: exclusive });
      const lastReader = await join(context, two, key, { claim: shared });
      const later = [...behind, lastWriter, lastReader];
      await assertRelease(one.release(readers[0]));
      await assertWaiting(context, [writer, ...later], 'one of two readers has left');
      await assertRelease(two.release(readers[1]));
      await allGranted(context, 'the writer is granted after the last reader before it', [writer]);
      await assertClaimBusy(context, one, key, shared, 'a writer holds the key, and others wait');
      await assertWaiting(context, later, 'a writer holds the key');
      await releaseWaiter(writer);
      await allGranted(context, 'the readers behind the writer are granted together', behind);
      await assertWaiting(context, [lastWriter, lastReader], 'three readers hold the key, and a writer is next');
      for (const reader of behind) await releaseWaiter(reader);
      await allGranted(context, 'the second writer is granted after the readers before it', [lastWriter]);
      await releaseWaiter(lastWriter);
      await allGranted(context, 'the last reader is granted', [lastReader]);
      await releaseWaiter(lastReader);
      await assertClaimFree(context, one, key, exclusive, 'all have left');
    },
  },
  {
    id: 'LK-0202',
    level: 'MUST',
    heavy: true,
    rule: 'C-173',
    title: 'readers and writers that come, leave and downgrade in a random order are granted by the rule, in each step',
    hazards: [44, 91, 92, 105, 106],
    requires: { shared: true },
    needs: ['enqueue'],
    async run(context) {
      const drawClaim = () => (context.random.next() < 0.6 ? shared : exclusive);
      await followRule(context, drawClaim);
    },
  },
  {
    id: 'LK-0207',
    level: 'MUST',
    rule: 'C-176',
    title: 'a downgrade makes a writer a reader with a fresh lease and its token, again and again; strangers cannot',
    hazards: [5, 6, 98],
    requires: { shared: true },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const { longTtlMs } = context.timing;
      assert.ok(one.downgrade && two.downgrade, 'Declares "shared", but has no downgrade');
      const writer = await takeClaim(context, one, key, exclusive, { ttlMs: context.timing.leaseMs });
      const stranger = { ...context.attempt(key), claim: exclusive };
      assert.equal((await two.downgrade(stranger, longTtlMs)).status, 'lost', 'A stranger downgraded a lock');
      await assertClaimBusy(context, two, key, shared, 'a stranger tried to downgrade it');
      const asReader = { ...writer, claim: shared };
      for (const hold of [writer, asReader, asReader]) {
        const outcome = await one.downgrade(hold, longTtlMs);
        assert.equal(outcome.status, 'renewed', 'A downgrade, also a repeated one, must answer "renewed"');
        if (outcome.status === 'renewed' && context.harness.capabilities.expiry === 'ttl')
          assert.ok(
            outcome.validForMs > longTtlMs / 2,
            `The lease after a downgrade is valid for ${outcome.validForMs} ms`,
          );
        await assertClaimBusy(context, two, key, exclusive, 'its holder has downgraded it, and reads');
      }
      const reader = { ...context.attempt(key, { claim: shared }), adapter: two };
      const { status } = await two.tryAcquire(reader);
      assert.equal(status, 'granted', 'The first request of a reader after a downgrade');
      await assertStands(context, asReader, 'it was downgraded');
      const again = await one.tryAcquire(context.attempt(key, { owner: writer.owner, claim: shared }));
      assert.equal(again.status, 'granted', 'Who downgraded asked again, shared, and was refused its own hold');
      await assertRelease(one.release(asReader));
      await assertGone(context, asReader, 'it was released');
      assert.equal((await one.downgrade(asReader, longTtlMs)).status, 'lost', 'A released lock was downgraded');
      await assertStands(context, reader, 'the one that had downgraded was released');
      await assertRelease(two.release(reader));
      await assertClaimFree(context, one, key, exclusive, 'the one that had downgraded, and a reader, have left');
      assert.equal((await one.downgrade(writer, longTtlMs)).status, 'lost', 'A released lock was downgraded');
      await assertClaimFree(context, one, key, exclusive, 'a downgrade of what was released takes nothing');
    },
  },
  {
    id: 'LK-0208',
    level: 'MUST',
    rule: 'C-176',
    title: 'a downgrade lets in the readers at the head of the queue, in one step: no writer, wherever it waits',
    hazards: [98],
    requires: { shared: true },
    needs: ['enqueue'],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const trial = async (writerFirst: boolean, wasRenewed = false) => {
        const key = context.key();
        const holder = await takeClaim(context, one, key, exclusive);
        if (wasRenewed) {
          await assertStands(context, holder, 'it is renewed');
          await one.renewMany?.([holder], context.timing.longTtlMs);
          await takeClaim(context, one, key, exclusive, { owner: holder.owner });
        }
        const before = writerFirst ? [await join(context, two, key, { claim: exclusive })] : [];
        const readers = [
          await join(context, two, key, { claim: shared }),
          await join(context, one, key, { claim: shared }),
        ];
        const writer = await join(context, two, key, { claim: exclusive });
        const after = await join(context, one, key, { claim: shared });
        const outcome = await one.downgrade!(holder, context.timing.longTtlMs);
        assert.equal(outcome.status, 'renewed', 'A downgrade must answer "renewed"');
        const asReader = { ...holder, claim: shared };
        const inQueue = [...before, ...(writerFirst ? readers : []), writer, after];
        if (!writerFirst) await allGranted(context, 'the readers that waited are granted after the downgrade', readers);
        await assertWaiting(context, inQueue, 'it is behind a writer, or one, and the holder only downgraded');
        await assertStands(context, asReader, 'it was downgraded');
        await assertRelease(one.release(asReader));
        for (const waiter of [...before, ...readers, writer, after]) {
          await allGranted(context, 'those who waited are granted in turn', [waiter]);
          await releaseWaiter(waiter);
        }
      };
      await Promise.all([trial(false), trial(true), trial(false, true)]);
    },
  },
];
