import assert from 'node:assert/strict';
import { type Clock, systemClock } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import { recorded } from '../recording.ts';
import { assertRelease } from './assert-release.ts';

/** The system's clock, and how many of its timers are armed. */
function countingClock(): Clock & { readonly armed: Set<unknown> } {
  const armed = new Set<unknown>();
  return {
    ...systemClock,
    armed,
    setTimeout(callback, delayMs) {
      const timer = systemClock.setTimeout(() => {
        armed.delete(timer);
        callback();
      }, delayMs);
      armed.add(timer);
      return timer;
    },
    clearTimeout(timer) {
      armed.delete(timer);
      systemClock.clearTimeout(timer);
    },
  };
}

/** The end of a client. */
export const closingCases: readonly Case[] = [
  {
    id: 'LK-0105',
    level: 'MUST',
    rule: 'C-117',
    title: 'close is idempotent, for an adapter and for its locks; acquire after it is LOCK_CLOSED',
    hazards: [],
    async run(context) {
      const adapter = await context.client();
      const locks = await context.locks({}, adapter);
      await (await locks.acquire(context.key())).release();
      await Promise.all([locks.close(), locks.close()]);
      await locks.close();
      await adapter.close?.();
      await adapter.close?.();
      const closed = { code: 'LOCK_CLOSED', retryable: false };
      await assert.rejects(async () => locks.acquire(context.key()), closed);
      await assert.rejects(async () => locks.tryAcquire(context.key()), closed);
      await assert.rejects(async () => locks.using(context.key(), () => {}), closed);
    },
  },
  {
    id: 'LK-0106',
    level: 'MUST',
    rule: 'C-118',
    title: 'close fails the waiting with LOCK_CLOSED and leaves no place in a queue',
    hazards: [42],
    async run(context) {
      const [one, three] = [await context.locks(), await context.client()];
      const { pollMs, graceMs } = context.timing;
      // From before the places are taken to when they stand.
      const rounds = [0, pollMs / 2, 2 * pollMs].map(async (afterMs) => {
        const two = await context.locks();
        const key = context.key();
        const lock = await one.acquire(key);
        const waits = Array.from({ length: 3 }, () =>
          context.begin(assert.rejects(two.acquire(key), { code: 'LOCK_CLOSED' })),
        );
        await context.sleep(afterMs);
        await context.soon('close settles', two.close());
        await context.soon('the waiting fails', Promise.all(waits), graceMs);
        await assertRelease(lock.release());
        await context.assertFree(three, key, 'its waiters were closed, and its holder released it');
      });
      await Promise.all(rounds);
    },
  },
  {
    id: 'LK-0107',
    level: 'MUST',
    rule: 'C-119',
    title: 'close releases what its client holds, and nothing that another one holds',
    hazards: [],
    async run(context) {
      const [one, two, three] = [await context.locks(), await context.locks(), await context.client()];
      const [key, other] = [context.key(), context.key()];
      const lock = await one.acquire(key);
      const stranger = await two.acquire(other);
      await context.soon('close settles', one.close());
      assert.notEqual(lock.state, 'held', 'A lock of a closed client says that it is held');
      await context.assertFree(three, key, 'its client was closed');
      stranger.assertHeld();
      await stranger.renew();
      await assertRelease(stranger.release());
    },
  },
  {
    id: 'LK-0108',
    level: 'MUST',
    long: true,
    rule: 'C-120',
    title: 'close leaves no timer, and no command follows it',
    hazards: [43, 54, 55],
    async run(context) {
      const { adapter, commands } = recorded(await context.client());
      const clock = countingClock();
      const locks = await context.locks({ clock }, adapter);
      const key = context.key();
      await locks.acquire(key);
      await locks.acquire(context.key(), { ttlMs: context.timing.leaseMs });
      await (await locks.acquire(context.key(), { maxHoldMs: context.timing.longTtlMs })).release();
      const waiting = context.begin(assert.rejects(locks.acquire(key), { code: 'LOCK_CLOSED' }));
      await context.sleep(context.timing.pollMs);
      await context.soon('close settles', locks.close());
      await context.soon('the waiting fails', waiting, context.timing.graceMs);
      const sent = commands.length;
      await context.eventually('no timer is left', () => clock.armed.size === 0, context.timing.graceMs);
      await context.sleep(context.timing.leaseMs / 2);
      const late = commands.slice(sent).map(({ name }) => name);
      assert.deepEqual(
        late.filter((name) => name !== 'close'),
        [],
        'Commands after close',
      );
    },
  },
  {
    id: 'LK-0109',
    level: 'MUST',
    rule: 'C-121',
    title: 'a client that worked, waited and was closed leaves no socket and no timer in the process',
    hazards: [43, 55],
    alone: true,
    async run(context) {
      const count = () => {
        const kinds = process
          .getActiveResourcesInfo()
          .filter((kind) => /TCP|Pipe|TLS|UDP|Timeout|Immediate/.test(kind));
        return kinds.length;
      };
      const holder = await context.locks();
      const key = context.key();
      await holder.acquire(key);
      // The lowest of several looks: what others left behind may still be going.
      let before = count();
      const most = context.harness.servers ? 40 : 10;
      for (let looks = 0; looks < most; looks++) {
        await context.sleep(context.timing.pollMs);
        before = Math.min(before, count());
      }
      // Several: what each of them leaves outnumbers what of other cases ends meanwhile.
      const closed = Array.from({ length: 6 }, async () => {
        const locks = await context.locks();
        await locks.acquire(context.key());
        await assert.rejects(locks.acquire(key, { waitMs: context.timing.pollMs }), { code: 'LOCK_TIMEOUT' });
        // It waits for the clean-up of what was not answered, as long as two attempts may take.
        await context.soon('close settles', locks.close(), 2 * context.boundMs);
      });
      await Promise.all(closed);
      const left = () => count() <= before;
      // No grace period: all must have ended when `close` resolved. A socket emits its end one turn later.
      await context.eventually('the closed client has let go of its sockets and timers', left, context.timing.quietMs);
    },
  },
];
