import assert from 'node:assert/strict';
import type { Case } from '../case.ts';
import { noteUnhandled } from '../unhandled.ts';
import { turnsMs } from './waiting.ts';

/** Many at once. */
export const loadCases: readonly Case[] = [
  {
    id: 'LK-0110',
    level: 'MUST',
    rule: 'C-4',
    title: '400 locks held at once by one client do not disturb each other',
    hazards: [90],
    async run(context) {
      const [locks, two] = [await context.locks(), await context.client()];
      const keys = Array.from({ length: 400 }, () => context.key());
      const held = await Promise.all(keys.map((key) => locks.acquire(key)));
      await Promise.all(keys.map((key) => context.assertBusy(two, key, 'it is one of 400 that are held')));
      for (const lock of held) lock.assertHeld();
      const outcomes = await Promise.all(held.map((lock) => lock.release()));
      assert.equal(outcomes.filter((outcome) => outcome === 'released').length, 400);
    },
  },
  {
    id: 'LK-0111',
    level: 'MUST',
    rule: 'C-69',
    title: 'of 200 waiters for one key half are aborted, and each of the others is served once',
    hazards: [42, 43],
    async run(context) {
      const places = { localRun: { count: 0 } };
      const clients = [await context.locks(places), await context.locks(places)];
      const holder = await context.client();
      const key = context.key();
      const hold = await context.take(holder, key);
      const abort = new AbortController();
      const served: number[] = [];
      const waits = Array.from({ length: 200 }, (_, i) => {
        const options = i % 2 ? { signal: abort.signal } : {};
        const waiting = clients[Number(i >= 100)]!.using(key, options, () => void served.push(i));
        return context.begin(i % 2 ? assert.rejects(waiting, { name: 'AbortError' }) : waiting);
      });
      await context.sleep(context.timing.pollMs);
      abort.abort();
      await holder.release(hold);
      const withinMs = 2 * context.boundMs + turnsMs(context, 100);
      await context.soon('every waiter is served or gone', Promise.all(waits), withinMs);
      assert.equal(served.length, 100);
      assert.equal(new Set(served).size, 100, 'A waiter was served twice');
      await context.assertFree(holder, key, 'all waiters were served or gave up');
    },
  },
  {
    id: 'LK-0112',
    level: 'MUST',
    rule: 'C-62',
    title:
      'nothing is rejected without a listener: time-outs, aborts, losses, forced releases and a close with waiters',
    hazards: [53],
    async run(context) {
      const unhandled = noteUnhandled();
      try {
        const [one, two] = [await context.locks(), await context.locks()];
        const key = context.key();
        const abort = new AbortController();
        const lost = await one.acquire(key, { ttlMs: context.timing.ttlMs, autoRenew: false });
        await one.acquire(context.key(), { ttlMs: context.timing.leaseMs, maxHoldMs: context.timing.pollMs });
        const forced = await one.acquire(context.key(), { ttlMs: context.timing.leaseMs });
        // Where the adapter cannot, the refusal is one more rejection.
        await two.forceRelease(forced.key).catch(() => {});
        const waits = [
          two.acquire(key, { waitMs: context.timing.pollMs }),
          two.acquire(key, { signal: abort.signal }),
          two.acquire(context.key(), { waitMs: 0, signal: abort.signal }),
        ].map((waiting) => waiting.catch(() => {}));
        await context.sleep(2 * context.timing.pollMs);
        abort.abort();
        await Promise.all(waits);
        await context.eventually('the loss is announced', () => lost.signal.aborted);
        const closing = two.using(key, () => context.sleep(context.timing.pollMs)).catch(() => {});
        await Promise.all([one.close(), two.close(), closing]);
        // Rejections are reported a turn after they happen.
        await context.sleep(context.timing.pollMs);
        assert.deepEqual(unhandled.errors, [], 'Promises were rejected with nobody listening');
      } finally {
        unhandled.stop();
      }
    },
  },
];
