import assert from 'node:assert/strict';
import type { LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import { newOwner } from '../context.ts';
import { assertRelease } from './assert-release.ts';

/** As an adapter has it that takes the owner. */
function forceRelease(adapter: LockAdapter, key: string, owner: string): Promise<boolean> {
  return (adapter.forceRelease as (key: string, owner?: string) => Promise<boolean>).call(adapter, key, owner);
}

/** A forced release that names whose hold it is about. */
export const namedForceReleaseCases: readonly Case[] = [
  {
    id: 'LK-0189',
    level: 'MUST',
    rule: 'C-161',
    title: 'a forced release that names an owner frees the key of that owner and of no other, however often it is sent',
    hazards: [1, 14],
    needs: ['namedForceRelease'],
    async run(context) {
      const [one, two, three] = [await context.client(), await context.client(), await context.client()];
      const key = context.key();
      const old = await context.take(one, key);
      const foreign = await forceRelease(two, key, newOwner());
      assert.equal(foreign, false, 'A forced release that names another owner says that it freed the key');
      await context.assertBusy(three, key, 'the forced release named another owner');
      assert.equal(
        await forceRelease(two, key, old.owner),
        true,
        'A forced release of the owner that holds freed nothing',
      );
      const next = await context.take(three, key);
      for (let again = 0; again < 2; again++) {
        const repeated = await forceRelease(two, key, old.owner);
        assert.equal(repeated, false, 'A forced release was sent again, and says that it freed the next owner’s hold');
      }
      const renewed = await three.renew(next, context.timing.longTtlMs);
      assert.equal(renewed.status, 'renewed', 'A forced release that was sent again took the key from its next owner');
      await assertRelease(three.release(next));
      assert.equal(await forceRelease(two, key, next.owner), false, 'The key was free');
    },
  },
  {
    id: 'LK-0190',
    level: 'MUST',
    heavy: true,
    rule: 'C-161',
    title: 'forced releases that are repeated while others ask free one hold: whoever is let in keeps the key',
    hazards: [14, 84],
    needs: ['namedForceRelease'],
    async run(context) {
      const [one, two, three] = [await context.client(), await context.client(), await context.client()];
      const keys = Array.from({ length: 8 }, () => context.key());
      const trial = async (key: string) => {
        const old = await context.take(one, key);
        const freeing = [0, context.random.between(0, 3), context.random.between(0, 6)].map(async (ms) => {
          await context.sleep(ms);
          return forceRelease(two, key, old.owner);
        });
        const attempt = context.attempt(key);
        const isIn = async () => (await three.tryAcquire(attempt)).status === 'granted';
        const startedAt = context.now();
        while (!(await isIn()) && context.now() - startedAt < context.boundMs) await context.sleep(1);
        const answers = await Promise.all(freeing);
        assert.equal(
          answers.filter(Boolean).length,
          1,
          'Of three forced releases of one owner not exactly one freed it',
        );
        const renewed = await three.renew(attempt, context.timing.longTtlMs);
        assert.equal(
          renewed.status,
          'renewed',
          'A forced release that was sent again took the key from its next owner',
        );
        await assertRelease(three.release(attempt));
      };
      await context.race(
        async () => {
          await Promise.all(keys.map(trial));
          return keys.length;
        },
        { most: 200 },
      );
    },
  },
  {
    id: 'LK-0191',
    level: 'MUST',
    long: true,
    rule: 'C-113',
    title: 'a forced release of a key whose hold has ended by itself answers false',
    hazards: [],
    needs: ['forceRelease', 'lapse'],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const { capabilities, hooks } = context.harness;
      const trial = async (ttlMs: number) => {
        const key = context.key();
        await context.take(one, key, { ttlMs });
        const { granularityMs, maxOvershootMs } = capabilities.ttl;
        if (capabilities.expiry === 'session') await hooks!.revoke!(key);
        else await context.sleep(ttlMs + granularityMs + maxOvershootMs + context.slackMs);
        assert.equal(
          await two.forceRelease!(key),
          false,
          'forceRelease says that a key was held whose hold had ended by itself',
        );
        await context.assertFree(two, key, 'its hold had ended');
      };
      const { ttlMs } = context.timing;
      // The end of a session ends all its holds at once, so that there is nothing left to revoke for a second one.
      await Promise.all((capabilities.expiry === 'session' ? [ttlMs] : [ttlMs, ttlMs + 113]).map(trial));
    },
  },
  {
    id: 'LK-0192',
    level: 'MUST',
    long: true,
    rule: 'C-112',
    title: 'inspect shows no hold that has ended by itself, from the moment at which it is over',
    hazards: [],
    needs: ['inspect'],
    requires: { expiry: 'ttl' },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const { granularityMs, maxOvershootMs } = context.harness.capabilities.ttl;
      const lateness = async (ttlMs: number) => {
        const key = context.key();
        await context.take(one, key, { ttlMs });
        const due = context.now() + ttlMs + granularityMs + maxOvershootMs;
        await context.until(due);
        let lateMs = 0;
        await context.eventually('inspect shows an ended hold no more', async () => {
          const askedAt = context.now();
          const info = await two.inspect!(key);
          if (info) lateMs = askedAt - due;
          return info === undefined;
        });
        return lateMs;
      };
      const { ttlMs } = context.timing;
      const lateMs = Math.min(...(await Promise.all([ttlMs, ttlMs + 41, ttlMs + 203].map(lateness))));
      context.assertInTime(
        lateMs,
        `inspect still showed each of three holds ${Math.round(lateMs)} ms after it was over`,
      );
    },
  },
];
