import assert from 'node:assert/strict';
import type { Case } from '../case.ts';
import { newOwner, type RawHold } from '../context.ts';
import { longestLease } from '../key-ends.ts';
import { assertRelease } from './assert-release.ts';

/** Prolonging a lease. */
export const renewalCases: readonly Case[] = [
  {
    id: 'LK-0036',
    level: 'MUST',
    long: true,
    rule: 'C-29',
    title: 'a renewal prolongs the lease by a whole TTL, counted from the renewal',
    hazards: [47],
    requires: { expiry: 'ttl' },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const { ttlMs, leaseMs } = context.timing;
      const hold = await context.take(one, key, { ttlMs: leaseMs });
      await context.sleep(ttlMs / 2);
      const sentAt = context.now();
      const renewed = await one.renew(hold, leaseMs);
      if (renewed.status === 'lost') {
        const age = context.now() - hold.sentAt;
        assert.ok(
          age > hold.granted.validForMs,
          `A hold valid for ${hold.granted.validForMs} ms was lost after ${age} ms`,
        );
        return;
      }
      assert.ok(renewed.validForMs > 0, `The renewed lease is valid for ${renewed.validForMs} ms`);
      await context.takeOver(two, key, sentAt + renewed.validForMs);
    },
  },
  {
    id: 'LK-0037',
    level: 'MUST',
    long: true,
    rule: 'C-30',
    title: 'a renewal with a longer TTL gives the longer TTL',
    hazards: [],
    requires: { expiry: 'ttl' },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const { leaseMs, longTtlMs } = context.timing;
      const hold = await context.take(one, key, { ttlMs: leaseMs });
      const renewed = await one.renew(hold, longTtlMs);
      if (renewed.status === 'lost')
        return context.assertNotEarly(
          hold.sentAt + hold.granted.validForMs - context.now(),
          'A hold was lost before its end',
        );
      assert.ok(renewed.validForMs > leaseMs, `Asked for ${longTtlMs} ms, got ${renewed.validForMs} ms`);
      await context.sleep(
        Math.max(0, hold.sentAt + leaseMs + context.harness.capabilities.ttl.maxOvershootMs - context.now()),
      );
      await context.assertBusy(two, key, 'its lease was renewed for long');
    },
  },
  {
    id: 'LK-0038',
    level: 'MUST',
    rule: 'C-17',
    title: 'validity is positive, and no longer than the TTL that was asked for',
    hazards: [28, 47, 82],
    requires: { expiry: 'ttl' },
    async run(context) {
      const adapter = await context.client();
      const { minMs, granularityMs } = context.harness.capabilities.ttl;
      for (const ttlMs of [context.timing.ttlMs, context.timing.leaseMs, context.timing.longTtlMs]) {
        // The hundredth is for rounding.
        const most = Math.ceil(Math.max(ttlMs, minMs) / granularityMs) * granularityMs + 0.01;
        const hold = await context.take(adapter, context.key(), { ttlMs });
        const { validForMs } = hold.granted;
        assert.ok(
          validForMs > 0 && validForMs <= most,
          `TTL ${ttlMs} ms was granted with a validity of ${validForMs} ms`,
        );
        const renewed = await adapter.renew(hold, ttlMs);
        if (renewed.status === 'lost') continue;
        const again = renewed.validForMs;
        assert.ok(again > 0 && again <= most, `TTL ${ttlMs} ms was renewed with a validity of ${again} ms`);
      }
    },
  },
  {
    id: 'LK-0039',
    level: 'SHOULD',
    rule: 'C-18',
    title: 'validity is at least half of the TTL that was asked for, when the backend answers quickly',
    hazards: [],
    requires: { expiry: 'ttl' },
    async run(context) {
      const adapter = await context.client();
      const { longTtlMs } = context.timing;
      const { validForMs } = (await context.take(adapter, context.key())).granted;
      assert.ok(
        validForMs >= longTtlMs / 2,
        `TTL ${longTtlMs} ms was granted with a validity of only ${validForMs} ms`,
      );
    },
  },
  {
    id: 'LK-0040',
    level: 'MUST',
    rule: 'C-31',
    title: 'renewMany answers each hold as renew does, in order: own, foreign, never held, released',
    hazards: [5, 6],
    needs: ['renewMany'],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const { longTtlMs } = context.timing;
      const [first, gone, last] = [
        await context.take(one, context.key()),
        await context.take(one, context.key()),
        await context.take(one, context.key()),
      ];
      const foreign = await context.take(two, context.key());
      await one.release(gone);
      const never = { key: context.key(), owner: newOwner() };
      const holds = [first, { key: foreign.key, owner: newOwner() }, never, gone, last];
      const outcomes = await one.renewMany!(holds, longTtlMs);
      assert.deepEqual(
        outcomes.map(({ status }) => status),
        ['renewed', 'lost', 'lost', 'lost', 'renewed'],
        'Outcomes of: own, foreign, never held, released, own',
      );
      await context.assertFree(two, gone.key, 'it was released before renewMany');
      await context.assertFree(two, never.key, 'renewMany must not take a free key');
      assert.equal((await two.renew(foreign, longTtlMs)).status, 'renewed', 'renewMany disturbed a foreign hold');
      assert.deepEqual(await one.renewMany!([], longTtlMs), []);
    },
  },
  {
    id: 'LK-0041',
    level: 'MUST',
    long: true,
    rule: 'C-32',
    title: 'renewMany prolongs every one of 100 holds',
    hazards: [17],
    needs: ['renewMany'],
    requires: { expiry: 'ttl' },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const { leaseMs, longTtlMs } = context.timing;
      const keys = Array.from({ length: 100 }, () => context.key());
      const startedAt = context.now();
      const holds: RawHold[] = await Promise.all(keys.map((key) => context.take(one, key, { ttlMs: leaseMs })));
      const outcomes = await one.renewMany!(holds, longTtlMs);
      assert.equal(outcomes.length, holds.length);
      const lost = outcomes.filter(({ status }) => status === 'lost').length;
      const { validForMs } = holds[0]!.granted;
      if (lost > 0)
        return assert.ok(context.now() - startedAt > validForMs, `${lost} of 100 holds were lost in good time`);
      await context.sleep(
        Math.max(0, startedAt + leaseMs + context.harness.capabilities.ttl.maxOvershootMs - context.now()),
      );
      await Promise.all(keys.map((key) => context.assertBusy(two, key, 'renewMany prolonged its lease')));
    },
  },
  {
    id: 'LK-0042',
    level: 'MUST',
    rule: 'C-33',
    title: 'Lock.renew sets the time left to the TTL that it is given',
    hazards: [],
    async run(context) {
      const locks = await context.locks();
      const { longTtlMs } = context.timing;
      const shorterMs = Math.ceil(longTtlMs / 2);
      const lock = await locks.acquire(context.key(), { ttlMs: shorterMs, autoRenew: false });
      const first = lock.remainingMs;
      const { capabilities } = context.harness;
      assert.ok(first > 0 && first <= longestLease(capabilities, shorterMs), `${first} of ${shorterMs} ms left`);
      await lock.renew(longTtlMs);
      const second = lock.remainingMs;
      const longestMs = longestLease(capabilities, longTtlMs);
      assert.ok(second > shorterMs && second <= longestMs, `${second} of ${longTtlMs} ms left`);
      lock.assertHeld();
      await assertRelease(lock.release());
      await assert.rejects(lock.renew(), { code: 'LOCK_RELEASED' }, 'A released lock could be renewed');
    },
  },
];
