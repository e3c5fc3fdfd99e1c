import assert from 'node:assert/strict';
import { isLockError, type Lock } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { longestLease } from '../key-ends.ts';
import { assertRelease } from './assert-release.ts';

async function assertLost(context: Context, lock: Lock): Promise<void> {
  await context.eventually('the signal of a lost lock aborts', () => lock.signal.aborted);
  assert.ok(isLockError(lock.signal.reason, 'LOCK_LOST'), `The signal’s reason is ${String(lock.signal.reason)}`);
  assert.equal(lock.signal.reason.key, lock.key);
  assert.equal(lock.state, 'lost');
  assert.equal(lock.remainingMs, 0, 'A lost lock has no time left');
  assert.throws(() => lock.assertHeld(), { code: 'LOCK_LOST' });
}

/** A holder learns of its loss, and learns it in time. */
export const lossCases: readonly Case[] = [
  {
    id: 'LK-0048',
    level: 'MUST',
    rule: 'C-54',
    title: 'a lock that ends by itself says so no later than another is let in',
    hazards: [28, 46, 47],
    async run(context) {
      const [one, two] = [await context.locks(), await context.locks()];
      const key = context.key();
      const lock = await one.acquire(key, { ttlMs: context.timing.ttlMs, autoRenew: false });
      let lostAt: number | undefined;
      const noteLoss = () => {
        lostAt = context.now();
      };
      const { signal } = lock;
      // After a stall of a whole lease, the hold is already over, and no further notice follows.
      if (signal.aborted) noteLoss();
      else signal.addEventListener('abort', noteLoss);
      const next = await context.soon('another gets the lock', two.acquire(key));
      const grantedAt = context.now();
      assert.equal(
        lock.remainingMs,
        0,
        `Another holds the lock, its old holder believes in ${lock.remainingMs} ms more`,
      );
      assert.throws(
        () => lock.assertHeld(),
        { code: 'LOCK_LOST' },
        'Another holds the lock, and assertHeld does not throw',
      );
      // After a stall both may be due in one turn of the event loop; the timers of that turn have run after the next one.
      await new Promise((resolve) => setImmediate(resolve));
      assert.ok(lostAt !== undefined, 'Another holds the lock, and the signal of its old holder has not aborted');
      context.measures.lossLeadMs = grantedAt - lostAt;
      await assertLost(context, lock);
      await assertRelease(lock.release(), 'lost');
      await assertRelease(next.release());
    },
  },
  {
    id: 'LK-0049',
    level: 'MUST',
    rule: 'C-55',
    title: 'a hold that the watchdog finds taken over is announced as lost, and the new holder is left alone',
    hazards: [5, 52],
    needs: ['forceRelease'],
    async run(context) {
      const [one, two, three] = [await context.locks(), await context.locks(), await context.client()];
      const key = context.key();
      const lock = await one.acquire(key, { ttlMs: context.timing.leaseMs });
      assert.equal(await two.forceRelease(key), true);
      const next = await two.acquire(key);
      await assertLost(context, lock);
      await assertRelease(lock.release(), 'lost');
      await context.assertBusy(three, key, 'the old holder only learned of its loss');
      next.assertHeld();
      await assertRelease(next.release());
    },
  },
  {
    id: 'LK-0050',
    level: 'MUST',
    rule: 'C-56',
    title: 'a hold that the backend drops is announced as lost, and another gets the key',
    hazards: [67],
    needs: ['revoke'],
    async run(context) {
      const [one, two] = [await context.locks(), await context.locks()];
      const key = context.key();
      const lock = await one.acquire(key, { ttlMs: context.timing.ttlMs });
      await context.harness.hooks!.revoke!(key);
      await assertLost(context, lock);
      await assertRelease(lock.release(), 'lost');
      const next = await context.soon('another gets the dropped lock', two.acquire(key));
      await assertRelease(next.release());
    },
  },
  {
    id: 'LK-0051',
    level: 'MUST',
    rule: 'C-57',
    title: 'the time left counts down and never exceeds the TTL; a held lock can be asserted',
    hazards: [47],
    async run(context) {
      const locks = await context.locks();
      const { longTtlMs } = context.timing;
      const sentAt = context.now();
      // A renewal, on a machine that stalls for a third of the TTL, would begin a new lease.
      const lock = await locks.acquire(context.key(), { autoRenew: false });
      const first = lock.remainingMs;
      const repliedAt = context.now();
      assert.ok(
        first > 0 && first <= longestLease(context.harness.capabilities, longTtlMs),
        `${first} of ${longTtlMs} ms left`,
      );
      await context.sleep(context.timing.quietMs);
      const most = sentAt + longTtlMs - context.now();
      const second = lock.remainingMs;
      assert.ok(second < first, 'The time left does not count down');
      // Slack for the backend's own granularity, and for a clock that was read at slightly different moments.
      const slack = context.harness.capabilities.ttl.granularityMs + (repliedAt - sentAt) + 1;
      assert.ok(second <= most + slack, `${second} ms left, but no more than ${most} can be`);
      assert.equal(lock.signal.aborted, false);
      lock.assertHeld();
      await lock.release();
    },
  },
  {
    id: 'LK-0052',
    level: 'MUST',
    rule: 'C-49',
    title: 'releasing a lost lock answers "lost" and never throws, again and again',
    hazards: [14, 56],
    async run(context) {
      const locks = await context.locks();
      const lock = await locks.acquire(context.key(), { ttlMs: context.timing.ttlMs, autoRenew: false });
      await assertLost(context, lock);
      await assertRelease(lock.release(), 'lost');
      await assertRelease(lock.release(), 'lost');
      await lock[Symbol.asyncDispose]();
    },
  },
];
