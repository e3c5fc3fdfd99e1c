import assert from 'node:assert/strict';
import type { Case } from '../case.ts';
import { longestLease } from '../key-ends.ts';
import { assertRelease } from './assert-release.ts';

/** Looking at locks, and freeing them by an operator's hand. */
export const adminCases: readonly Case[] = [
  {
    id: 'LK-0098',
    level: 'MUST',
    rule: 'C-109',
    title: 'inspect tells another client who holds a key, and that a free key is free',
    hazards: [],
    needs: ['inspect'],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      assert.equal(await two.inspect!(key), undefined, 'Nobody ever held the key');
      const hold = await context.take(one, key, { tokens: 7 });
      const info = await two.inspect!(key);
      assert.ok(info, 'inspect reports a held key as free');
      assert.equal(info.key, key);
      assert.equal(info.owner, hold.owner, 'inspect must name the owner value of the hold');
      assert.equal(info.fencingToken, hold.fencingToken, 'inspect must name the fencing token of the hold');
      await one.release(hold);
      const freed = async () => (await two.inspect!(key)) === undefined;
      await context.eventually('inspect reports the released key as free', freed, context.timing.graceMs);
    },
  },
  {
    id: 'LK-0099',
    level: 'MUST',
    rule: 'C-110',
    title: 'expiry ttl: inspect tells how long the lease still lasts',
    hazards: [],
    needs: ['inspect'],
    requires: { expiry: 'ttl' },
    async run(context) {
      const adapter = await context.client();
      const key = context.key();
      const { longTtlMs } = context.timing;
      await context.take(adapter, key);
      const left = (await adapter.inspect!(key))?.remainingMs;
      const { capabilities } = context.harness;
      const { granularityMs, maxOvershootMs } = capabilities.ttl;
      const most = longestLease(capabilities, longTtlMs) + maxOvershootMs + granularityMs;
      assert.ok(left !== undefined && left > 0 && left <= most, `Of a lease of ${longTtlMs} ms, ${left} ms are left`);
    },
  },
  {
    id: 'LK-0100',
    level: 'MUST',
    rule: 'C-111',
    title: 'expiry session: inspect does not promise an end of the hold',
    hazards: [88],
    needs: ['inspect'],
    requires: { expiry: 'session' },
    async run(context) {
      const adapter = await context.client();
      const key = context.key();
      await context.take(adapter, key);
      const left = (await adapter.inspect!(key))?.remainingMs;
      assert.equal(left, undefined, `The hold ends with its session, but inspect says in ${left} ms`);
    },
  },
  {
    id: 'LK-0101',
    level: 'MUST',
    rule: 'C-112',
    title: 'inspect reports an expired hold as free',
    hazards: [],
    needs: ['inspect', 'lapse'],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      await context.take(one, key, { ttlMs: context.timing.ttlMs });
      await context.lapse(two, key);
      await context.eventually('inspect reports it', async () => (await two.inspect!(key)) === undefined);
      await context.assertFree(two, key, 'inspect said so');
    },
  },
  {
    id: 'LK-0102',
    level: 'MUST',
    rule: 'C-113',
    title: 'a forced release frees the key whoever holds it, and the old holder can do nothing',
    hazards: [5, 7],
    needs: ['forceRelease'],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      assert.equal(await two.forceRelease!(key), false, 'The key was free');
      const old = await context.take(one, key);
      assert.equal(await two.forceRelease!(key), true, 'The key was held');
      const again = [await two.forceRelease!(key), await one.forceRelease!(key)];
      assert.deepEqual(
        again,
        [false, false],
        'The key was released by force a moment ago: a second time there is no hold',
      );
      const hold = await context.take(two, key);
      assert.equal((await one.renew(old, context.timing.longTtlMs)).status, 'lost', 'The old holder renewed');
      assert.equal(await one.release(old), 'not-held', 'The old holder released');
      await context.assertBusy(one, key, 'its new owner holds it');
      await assertRelease(two.release(hold));
      assert.equal(await two.forceRelease!(key), false, 'The key is free again');
    },
  },
  {
    id: 'LK-0103',
    level: 'MUST',
    rule: 'C-114',
    title: 'a forced release lets the next waiter in',
    hazards: [],
    needs: ['forceRelease'],
    async run(context) {
      const [one, two] = [await context.client(), await context.locks()];
      const key = context.key();
      await context.take(one, key);
      const waiting = context.begin(two.using(key, () => 'served'));
      await context.sleep(context.timing.pollMs);
      assert.equal(await one.forceRelease!(key), true);
      assert.equal(await context.soon('the waiter is served', waiting, context.timing.graceMs), 'served');
    },
  },
  {
    id: 'LK-0104',
    level: 'MUST',
    rule: 'C-115',
    title: 'Locks.inspect and Locks.forceRelease work, or say LOCK_UNSUPPORTED where the adapter cannot',
    hazards: [],
    async run(context) {
      const adapter = await context.client();
      const locks = await context.locks({}, adapter);
      const lock = await locks.acquire(context.key());
      const { key } = lock;
      if (adapter.inspect) {
        const info = await locks.inspect(key);
        assert.equal(info?.key, key);
        assert.equal(await locks.inspect(context.key()), undefined);
      } else {
        const why = 'The adapter has no inspect: Locks.inspect must say so, and not guess';
        await assert.rejects(async () => locks.inspect(key), { code: 'LOCK_UNSUPPORTED' }, why);
      }
      if (adapter.forceRelease) {
        assert.equal(await locks.forceRelease(key), true);
        await context.assertFree(await context.client(), key, 'it was released by force');
      } else {
        const why = 'The adapter has no forceRelease: Locks.forceRelease must say so, and not guess';
        await assert.rejects(async () => locks.forceRelease(key), { code: 'LOCK_UNSUPPORTED' }, why);
      }
      await lock.release();
    },
  },
];
