import assert from 'node:assert/strict';
import type { Case } from '../case.ts';
import { recorded } from '../recording.ts';
import { assertRelease } from './assert-release.ts';

/** At most one holder. */
export const exclusionCases: readonly Case[] = [
  {
    id: 'LK-0006',
    level: 'MUST',
    rule: 'C-1',
    title: 'while one client holds, every other owner is busy, on its own client and on another',
    hazards: [],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const hold = await context.take(one, key);
      await context.assertBusy(one, key, 'the same client holds the key for another owner');
      await context.assertBusy(two, key, 'another client holds the key');
      const renewed = await one.renew(hold, context.timing.longTtlMs);
      assert.equal(renewed.status, 'renewed', 'A refused attempt of another owner must not disturb the holder');
    },
  },
  {
    id: 'LK-0007',
    level: 'MUST',
    rule: 'C-2',
    title: 'of 24 attempts at once over three clients exactly one is granted',
    hazards: [],
    async run(context) {
      const clients = [await context.client(), await context.client(), await context.client()];
      const key = context.key();
      const attempts = Array.from({ length: 24 }, () => context.attempt(key));
      const outcomes = await Promise.all(attempts.map((attempt, i) => clients[i % 3]!.tryAcquire(attempt)));
      const granted = outcomes.filter(({ status }) => status === 'granted').length;
      assert.ok(granted <= 1, `${granted} of 24 owners hold one key at the same time`);
      assert.equal(granted, 1, 'The key was free, but none of 24 attempts was granted');
      await Promise.all(attempts.map((attempt, i) => clients[i % 3]!.release(attempt)));
    },
  },
  {
    id: 'LK-0008',
    level: 'MUST',
    rule: 'C-3',
    title: 'holds of 12 contenders over three clients never overlap, and no update is lost',
    hazards: [59],
    async run(context) {
      const clients = [await context.locks(), await context.locks(), await context.locks()];
      const key = context.key();
      let inside = 0;
      let most = 0;
      let stored = 0;
      const contend = async (i: number) => {
        for (let round = 0; round < 3; round++) {
          await clients[i % 3]!.using(key, async () => {
            most = Math.max(most, ++inside);
            const read = stored;
            await context.sleep(1);
            stored = read + 1;
            inside--;
          });
        }
      };
      await Promise.all(Array.from({ length: 12 }, (_, i) => contend(i)));
      assert.equal(most, 1, `${most} holders were inside at the same time`);
      assert.equal(stored, 36, `${36 - stored} of 36 updates under the lock were lost`);
    },
  },
  {
    id: 'LK-0009',
    level: 'MUST',
    rule: 'C-4',
    title: 'different keys do not exclude each other',
    hazards: [],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const keys = Array.from({ length: 20 }, () => context.key());
      const clientOf = (i: number) => (i % 2 ? one : two);
      const holds = await Promise.all(keys.map((key, i) => context.take(clientOf(i), key)));
      const renewals = await Promise.all(holds.map((hold, i) => clientOf(i).renew(hold, context.timing.longTtlMs)));
      assert.ok(
        renewals.every(({ status }) => status === 'renewed'),
        'A hold was lost although only other keys were taken',
      );
    },
  },
  {
    id: 'LK-0010',
    level: 'MUST',
    rule: 'C-5',
    title: 'tryAcquire of a busy lock is undefined, on both clients, and a lock again after the release',
    hazards: [],
    async run(context) {
      const [one, two] = [await context.locks(), await context.locks()];
      const key = context.key();
      const lock = await one.acquire(key);
      assert.equal(lock.key, key);
      assert.equal(lock.state, 'held');
      assert.equal(await two.tryAcquire(key), undefined, 'Another client got a held lock');
      assert.equal(await one.tryAcquire(key), undefined, 'Another task of the same client got a held lock');
      await lock.release();
      const next = await context.eventually(
        'the released lock is free',
        () => two.tryAcquire(key),
        context.timing.graceMs,
      );
      await assertRelease(next.release());
    },
  },
  {
    id: 'LK-0011',
    level: 'MUST',
    rule: 'C-7',
    title: 'a busy answer does not ask to wait longer than the lease can last',
    hazards: [],
    requires: { expiry: 'ttl' },
    async run(context) {
      const adapter = await context.client();
      const key = context.key();
      const { longTtlMs } = context.timing;
      await context.take(adapter, key, { ttlMs: longTtlMs });
      const outcome = await adapter.tryAcquire(context.attempt(key));
      assert.equal(outcome.status, 'busy');
      if (outcome.status !== 'busy' || outcome.retryAfterMs === undefined) return;
      const { granularityMs, maxOvershootMs } = context.harness.capabilities.ttl;
      const most = longTtlMs + granularityMs + maxOvershootMs;
      const { retryAfterMs } = outcome;
      assert.ok(
        retryAfterMs >= 0 && retryAfterMs <= most,
        `retryAfterMs is ${retryAfterMs}, the lease was ${longTtlMs} ms`,
      );
    },
  },
  {
    id: 'LK-0116',
    level: 'MUST',
    rule: 'C-6',
    title: 'tryAcquire of a key that another task of the client holds sends nothing',
    hazards: [],
    async run(context) {
      const { adapter, commands } = recorded(await context.client());
      const locks = await context.locks({}, adapter);
      const key = context.key();
      const lock = await locks.acquire(key);
      const requests = () => commands.filter(({ name }) => name === 'tryAcquire' || name === 'enqueue').length;
      const before = requests();
      for (let i = 0; i < 3; i++) assert.equal(await locks.tryAcquire(key), undefined, 'Another task got a held lock');
      assert.equal(requests(), before, 'The backend was asked for a key that this client holds');
      await lock.release();
    },
  },
];
