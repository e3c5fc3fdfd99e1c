import assert from 'node:assert/strict';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { assertRelease } from './assert-release.ts';

/** A first client's hold ends without a release and a second client takes the key for long. */
async function takenOver(context: Context) {
  const [one, two, three] = [await context.client(), await context.client(), await context.client()];
  const key = context.key();
  const old = await context.take(one, key, { ttlMs: context.timing.ttlMs });
  const hold = await context.takeOver(two, key, old.sentAt + old.granted.validForMs);
  return { one, two, three, key, old, hold };
}

/** A hold that ends without a release, and what its holder may still do afterwards: nothing. */
export const expiryCases: readonly Case[] = [
  {
    id: 'LK-0012',
    level: 'MUST',
    rule: 'C-16',
    title: 'a hold that is not renewed passes to another owner, not before its time and within the declared overshoot',
    hazards: [2, 8, 82],
    requires: { expiry: 'ttl' },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const { ttlMs } = context.timing;
      const { granularityMs } = context.harness.capabilities.ttl;
      const old = await context.take(one, key, { ttlMs });
      const promised = Math.max(old.granted.validForMs, ttlMs - granularityMs);
      await context.takeOver(two, key, old.sentAt + promised);
      context.measures.freedAfterMs = context.now() - old.sentAt;
    },
  },
  {
    id: 'LK-0013',
    level: 'MUST',
    rule: 'C-21',
    title: 'after a take-over the old owner cannot renew, and the new hold stays as it was',
    hazards: [5, 7],
    needs: ['lapse'],
    async run(context) {
      const { one, two, three, key, old, hold } = await takenOver(context);
      const stale = await context.answerOfLoser(() => one.renew(old, context.timing.longTtlMs));
      assert.equal(stale.status, 'lost', 'An owner whose hold was taken over could renew it');
      await context.assertBusy(three, key, 'the new owner holds the key after a stale renewal');
      const renewed = await two.renew(hold, context.timing.longTtlMs);
      assert.equal(renewed.status, 'renewed', 'A stale renewal took the lock from its new owner');
    },
  },
  {
    id: 'LK-0014',
    level: 'MUST',
    rule: 'C-22',
    title: 'after a take-over the old owner cannot release, and a third client does not get in',
    hazards: [1, 7],
    needs: ['lapse'],
    async run(context) {
      const { one, two, three, key, old, hold } = await takenOver(context);
      const stale = await context.answerOfLoser(() => one.release(old));
      assert.equal(stale, 'not-held', 'An owner whose hold was taken over could release it');
      await context.assertBusy(three, key, 'a stale release must not free the new hold');
      const renewed = await two.renew(hold, context.timing.longTtlMs);
      assert.equal(renewed.status, 'renewed', 'A stale release took the lock from its new owner');
      assert.equal(await two.release(hold), 'released', 'The new owner could not release after a stale release');
    },
  },
  {
    id: 'LK-0015',
    level: 'MUST',
    rule: 'C-23',
    title: 'after a take-over the old owner is a stranger: it is busy, and so is everybody else',
    hazards: [7, 63],
    needs: ['lapse'],
    async run(context) {
      const { one, three, key, old } = await takenOver(context);
      const { owner } = old;
      const again = await context.answerOfLoser(() => one.tryAcquire(context.attempt(key, { owner })));
      assert.equal(again.status, 'busy', 'The old owner was let in again while another holds the key');
      await context.assertBusy(three, key, 'the new owner holds the key after the old one asked again');
    },
  },
  {
    id: 'LK-0016',
    level: 'MUST',
    rule: 'C-24',
    title: 'the renewal of an expired hold is lost and does not bring it back',
    hazards: [6],
    needs: ['lapse'],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const old = await context.take(one, key, { ttlMs: context.timing.ttlMs });
      await context.lapse(one, key);
      const late = await context.answerOfLoser(() => one.renew(old, context.timing.longTtlMs));
      assert.equal(late.status, 'lost', 'An expired hold was renewed');
      await context.assertFree(two, key, 'a late renewal must not take the key');
    },
  },
  {
    id: 'LK-0017',
    level: 'MUST',
    rule: 'C-25',
    title: 'the release of an expired hold is not-held and leaves the key free',
    hazards: [1],
    needs: ['lapse'],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const old = await context.take(one, key, { ttlMs: context.timing.ttlMs });
      await context.lapse(one, key);
      const late = await context.answerOfLoser(() => one.release(old));
      assert.equal(late, 'not-held', 'An expired hold was released');
      await context.assertFree(two, key, 'the hold expired');
    },
  },
  {
    id: 'LK-0018',
    level: 'MUST',
    long: true,
    rule: 'C-20',
    title: 'a take-over begins a whole lease of its own',
    hazards: [7],
    requires: { expiry: 'ttl' },
    async run(context) {
      const [one, two, three] = [await context.client(), await context.client(), await context.client()];
      const key = context.key();
      const { ttlMs } = context.timing;
      await context.take(one, key, { ttlMs });
      const hold = await context.take(two, key, { ttlMs });
      assert.ok(hold.granted.validForMs > 0, 'A take-over was granted without any validity');
      await context.takeOver(three, key, hold.sentAt + hold.granted.validForMs);
    },
  },
  {
    id: 'LK-0019',
    level: 'MUST',
    rule: 'C-28',
    title: 'without the watchdog a lock ends by itself: others get it, and the old handle can do nothing',
    hazards: [5, 6, 7, 81],
    async run(context) {
      const [one, two, three] = [await context.locks(), await context.locks(), await context.locks()];
      const key = context.key();
      const old = await one.acquire(key, { ttlMs: context.timing.ttlMs, autoRenew: false });
      const lock = await context.soon('another client gets the expired lock', two.acquire(key));
      await assert.rejects(old.renew(), { code: 'LOCK_LOST' }, 'A lost lock could be renewed');
      await assertRelease(old.release(), 'lost');
      assert.equal(await three.tryAcquire(key), undefined, 'A stale release let a third client in');
      await lock.renew();
      await assertRelease(lock.release());
    },
  },
];
