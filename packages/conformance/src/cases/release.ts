import assert from 'node:assert/strict';
import type { Case } from '../case.ts';
import { newOwner } from '../context.ts';
import { assertRelease } from './assert-release.ts';

/** Giving back. */
export const releaseCases: readonly Case[] = [
  {
    id: 'LK-0029',
    level: 'MUST',
    rule: 'C-41',
    title: 'a release frees the key for another client long before its lease would end',
    hazards: [],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      for (let round = 0; round < 3; round++) {
        const hold = await context.take(one, key);
        assert.equal(await one.release(hold), 'released', 'The holder’s release must answer "released"');
        await context.assertFree(two, key, 'its owner released it');
      }
    },
  },
  {
    id: 'LK-0030',
    level: 'MUST',
    rule: 'C-42',
    title: 'a repeated release is not-held and leaves the next holder alone',
    hazards: [1, 14],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const hold = await context.take(one, key);
      await assertRelease(one.release(hold));
      assert.equal(await one.release(hold), 'not-held', 'A second release must answer "not-held"');
      const next = await context.take(two, key);
      assert.equal(await one.release(hold), 'not-held', 'A late release must answer "not-held"');
      await context.assertBusy(one, key, 'a late release must not free the next hold');
      await assertRelease(two.release(next));
    },
  },
  {
    id: 'LK-0031',
    level: 'MUST',
    rule: 'C-43',
    title: 'releasing or renewing what was never held is an answer, not an error',
    hazards: [14],
    async run(context) {
      const adapter = await context.client();
      const stranger = { key: context.key(), owner: newOwner() };
      assert.equal(await adapter.release(stranger), 'not-held');
      assert.equal((await adapter.renew(stranger, context.timing.longTtlMs)).status, 'lost');
      await context.assertFree(adapter, stranger.key, 'nobody ever held it');
    },
  },
  {
    id: 'LK-0032',
    level: 'MUST',
    rule: 'C-44',
    title: 'a renewal after the release is lost and does not bring the hold back',
    hazards: [6, 54],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const hold = await context.take(one, key);
      await one.release(hold);
      assert.equal((await one.renew(hold, context.timing.longTtlMs)).status, 'lost', 'A released hold was renewed');
      await context.assertFree(two, key, 'its owner released it');
    },
  },
  {
    id: 'LK-0033',
    level: 'MUST',
    rule: 'C-45',
    title: 'renewals in flight beside a release do not keep the key',
    hazards: [54],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const hold = await context.take(one, key);
      const renewals = () => Array.from({ length: 4 }, () => one.renew(hold, context.timing.longTtlMs));
      await Promise.all([...renewals(), one.release(hold), ...renewals()]);
      await context.assertFree(two, key, 'its owner released it while renewals were under way');
    },
  },
  {
    id: 'LK-0034',
    level: 'MUST',
    rule: 'C-47',
    title: 'Lock.release is idempotent, and a released lock says so',
    hazards: [14],
    async run(context) {
      const locks = await context.locks();
      const lock = await locks.acquire(context.key());
      await assertRelease(lock.release());
      assert.equal(await lock.release(), 'released', 'A repeated release must give the same answer');
      assert.equal(lock.state, 'released');
      assert.equal(lock.remainingMs, 0, 'A released lock has no time left');
      assert.throws(() => lock.assertHeld(), { code: 'LOCK_RELEASED' });
    },
  },
  {
    id: 'LK-0035',
    level: 'MUST',
    rule: 'C-48',
    title: 'await using releases at the end of the block',
    hazards: [],
    async run(context) {
      const [one, two] = [await context.locks(), await context.locks()];
      const key = context.key();
      {
        await using lock = await one.acquire(key);
        assert.equal(lock.state, 'held');
      }
      const next = await context.eventually('the lock is free', () => two.tryAcquire(key), context.timing.graceMs);
      await next.release();
    },
  },
];
