import assert from 'node:assert/strict';
import { isLockError, type Lock } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { assertRelease } from './assert-release.ts';

/** Node's timers may fire this much early. */
const EARLY_MS = 2;

async function rejectsWithTimeout(context: Context, acquire: () => Promise<unknown>, waitMs: number): Promise<void> {
  const startedAt = context.now();
  const outcome = assert.rejects(acquire(), { code: 'LOCK_TIMEOUT' });
  await context.soon('LOCK_TIMEOUT comes', outcome, waitMs + context.timing.graceMs);
  const waited = context.now() - startedAt;
  assert.ok(waited >= waitMs - EARLY_MS, `LOCK_TIMEOUT after ${waited.toFixed(1)} ms instead of ${waitMs} ms`);
}

/** How long that many turns may take, one after the other, where waiters poll and the machine is busy. */
export const turnsMs = ({ latencyMs }: Context, turns: number): number => turns * (200 + 4 * latencyMs);

/** Waiting for a busy lock. */
export const waitingCases: readonly Case[] = [
  {
    id: 'LK-0060',
    level: 'MUST',
    rule: 'C-63',
    title: 'a waiter on another client gets the lock soon after its release, long before the lease would end',
    hazards: [37, 38],
    async run(context) {
      const [one, two] = [await context.locks(), await context.locks()];
      const key = context.key();
      for (let round = 0; round < 3; round++) {
        const lock = await one.acquire(key);
        const waiting = context.begin(two.acquire(key));
        // The first release races the subscription of the waiter, the later ones find it standing.
        await context.sleep(round * context.timing.pollMs);
        await lock.release();
        const releasedAt = context.now();
        const next = await context.soon('the waiter gets the lock', waiting, context.timing.graceMs);
        context.measures.handOverMs = context.now() - releasedAt;
        await next.release();
      }
    },
  },
  {
    id: 'LK-0061',
    level: 'MUST',
    long: true,
    rule: 'C-64',
    title: 'a waiter gets the lock of a holder that vanished, at the end of its lease',
    hazards: [2, 38],
    requires: { expiry: 'ttl' },
    async run(context) {
      const [one, two] = [await context.client(), await context.locks()];
      const key = context.key();
      const gone = await context.take(one, key, { ttlMs: context.timing.ttlMs });
      const lock = await context.soon('the waiter gets the lock of a vanished holder', two.acquire(key));
      const earlyMs = gone.sentAt + gone.granted.validForMs - context.now();
      context.assertNotEarly(earlyMs, 'The waiter was let in before the lease could have ended');
      await lock.release();
    },
  },
  {
    id: 'LK-0062',
    level: 'MUST',
    rule: 'C-65',
    title: 'LOCK_TIMEOUT comes after waitMs, not before, and within the grace',
    hazards: [41],
    async run(context) {
      const [one, two] = [await context.locks(), await context.locks()];
      const key = context.key();
      await one.acquire(key);
      const waitMs = context.timing.quietMs;
      await Promise.all([
        rejectsWithTimeout(context, () => two.acquire(key, { waitMs }), waitMs),
        rejectsWithTimeout(context, () => one.acquire(key, { waitMs }), waitMs),
      ]);
    },
  },
  {
    id: 'LK-0063',
    level: 'MUST',
    rule: 'C-67',
    title: 'waitMs 0 makes one attempt: a lock when free, LOCK_TIMEOUT at once when busy',
    hazards: [],
    async run(context) {
      const [one, two] = [await context.locks(), await context.locks()];
      const key = context.key();
      const lock = await one.acquire(key, { waitMs: 0 });
      await rejectsWithTimeout(context, () => two.acquire(key, { waitMs: 0 }), 0);
      await rejectsWithTimeout(context, () => one.acquire(key, { waitMs: 0 }), 0);
      await assertRelease(lock.release());
    },
  },
  {
    id: 'LK-0064',
    level: 'MUST',
    long: true,
    rule: 'C-66',
    title: 'the wait is counted from its start, however often the lock changes hands meanwhile',
    hazards: [41],
    async run(context) {
      const [one, two] = [await context.locks(), await context.locks()];
      const key = context.key();
      const waitMs = 2 * context.timing.quietMs;
      // Ten short holds, one after another, each of whose ends wakes the waiter of the other client.
      const holds = Array.from({ length: 10 }, () => context.begin(one.using(key, () => context.sleep(waitMs / 8))));
      await context.sleep(context.timing.pollMs);
      const startedAt = context.now();
      const outcome = await context.soon(
        'the wait ends',
        two.acquire(key, { waitMs }).catch((error: unknown) => error),
        waitMs + context.timing.graceMs,
      );
      // Where nothing orders the two clients, the waiter may be served; only a time-out is judged.
      if (isLockError(outcome)) {
        assert.equal(outcome.code, 'LOCK_TIMEOUT');
        const waited = context.now() - startedAt;
        assert.ok(waited >= waitMs - EARLY_MS, `LOCK_TIMEOUT after ${waited.toFixed(1)} ms instead of ${waitMs} ms`);
      } else {
        await (outcome as Lock).release();
      }
      await Promise.all(holds);
    },
  },
  {
    id: 'LK-0065',
    level: 'MUST',
    rule: 'C-68',
    title: 'waiters of one client are served in the order in which they asked',
    hazards: [],
    async run(context) {
      const locks = await context.locks();
      const key = context.key();
      const lock = await locks.acquire(key);
      const order: number[] = [];
      const waits: Promise<void>[] = [];
      for (let i = 0; i < 8; i++) {
        waits.push(context.begin(locks.using(key, () => void order.push(i))));
      }
      await context.sleep(context.timing.pollMs);
      await lock.release();
      await context.soon('all eight waiters are served', Promise.all(waits), context.boundMs + turnsMs(context, 8));
      assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7], 'The order of service');
    },
  },
  {
    id: 'LK-0066',
    level: 'MUST',
    rule: 'C-69',
    title: 'of 30 waiters on three clients every one is served',
    hazards: [37],
    async run(context) {
      // A place in the queue of the backend for each of them.
      const places = { localRun: { count: 0 } };
      const clients = [await context.locks(places), await context.locks(places), await context.locks(places)];
      const key = context.key();
      let served = 0;
      const waits = Array.from({ length: 30 }, (_, i) => clients[i % 3]!.using(key, () => void served++));
      await context.soon('all 30 waiters are served', Promise.all(waits), 2 * context.boundMs + turnsMs(context, 30));
      assert.equal(served, 30);
    },
  },
  {
    id: 'LK-0067',
    level: 'MUST',
    rule: 'C-70',
    title: 'a waiter that times out does not end the waiting of the next, on the same client and on another',
    hazards: [40],
    async run(context) {
      const places = { localRun: { count: 0 } };
      const [one, two] = [await context.client(), await context.locks(places)];
      const three = await context.locks(places);
      const key = context.key();
      const hold = await context.take(one, key);
      const hasty = two.acquire(key, { waitMs: context.timing.pollMs });
      const short = context.begin(assert.rejects(hasty, { code: 'LOCK_TIMEOUT' }));
      const waits = [two, three].map((locks) => context.begin(locks.using(key, () => {})));
      await context.soon('the short waiter gives up', short);
      await one.release(hold);
      await context.soon('the patient waiters are served', Promise.all(waits), 2 * context.timing.graceMs);
    },
  },
  {
    id: 'LK-0068',
    level: 'MUST',
    rule: 'C-71',
    title: 'whenFree resolves when its subscription stands, then at the release by another client, every time',
    hazards: [37, 40],
    needs: ['whenFree'],
    requires: { wakeup: 'push' },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const { graceMs } = context.timing;
      const abort = new AbortController();
      let hold = await context.take(one, key);
      await context.soon('the subscription stands', two.whenFree!(key, abort.signal), graceMs);
      for (let round = 0; round < 12; round++) {
        const hint = context.begin(two.whenFree!(key, abort.signal));
        if (round % 3 === 1) await one.renew(hold, context.timing.longTtlMs);
        await one.release(hold);
        await context.soon(`the hint of release ${round} arrives`, hint, graceMs);
        hold = await context.take(one, key);
      }
      const last = context.begin(assert.rejects(two.whenFree!(key, abort.signal), 'An aborted whenFree must reject'));
      abort.abort(new Error('no longer wanted'));
      await context.soon('the aborted whenFree settles', last, graceMs);
    },
  },
];
