import assert from 'node:assert/strict';
import type { Case } from '../case.ts';
import { usualPatience } from '../open-outside.ts';
import { assertRelease } from './assert-release.ts';
import { askInVain, assertNoOrphan, impatient } from './unanswered.ts';
import { assertWorks } from './works-again.ts';

/** What becomes of locks when the servers are stopped, killed or replaced. These cases disturb everybody, so each runs alone. */
export const serverCases: readonly Case[] = [
  {
    id: 'LK-0138',
    level: 'MUST',
    rule: 'C-60',
    title:
      'the servers stand still for longer than a lease: its holder knows before anybody can have it, and all work again',
    hazards: [45, 46, 67, 68],
    needs: ['freeze'],
    alone: true,
    async run(context) {
      const [one, two] = [await context.locks(usualPatience), await context.locks(usualPatience)];
      const key = context.key();
      const { leaseMs } = context.timing;
      const lock = await one.acquire(key, { ttlMs: leaseMs });
      const thaw = await context.freeze();
      const frozenAt = context.now();
      await context.eventually('the loss is told while the servers stand still', () => lock.signal.aborted);
      context.measures.lostAfterMs = context.now() - frozenAt;
      assert.equal(lock.state, 'lost');
      assert.throws(() => lock.assertHeld(), { code: 'LOCK_LOST' });
      await thaw();
      const next = await context.soon('another gets the lock when the servers go on', two.acquire(key));
      if (context.harness.capabilities.fencing)
        assert.ok(next.fencingToken! > lock.fencingToken!, 'The token did not rise');
      await assertRelease(lock.release(), 'lost');
      next.assertHeld();
      await assertRelease(next.release());
      await assertWorks(context, one);
    },
  },
  {
    id: 'LK-0139',
    level: 'MUST',
    rule: 'C-133',
    title:
      'requests to servers that stand still are given up with LOCK_BACKEND; done when the servers go on, they leave no orphan',
    hazards: [11, 27, 85],
    needs: ['freeze'],
    alone: true,
    async run(context) {
      const locks = await context.locks(impatient(context));
      const thaw = await context.freeze();
      const keys = await askInVain(context, locks);
      await thaw();
      await assertNoOrphan(context, locks, keys, 'its request was given up while the servers stood still');
    },
  },
  {
    id: 'LK-0140',
    level: 'MUST',
    rule: 'C-138',
    title: 'the servers are killed and come back: every client works again, and those that wait are served',
    hazards: [16, 38, 76, 89],
    needs: ['restart'],
    alone: true,
    async run(context) {
      const [one, two] = [await context.locks(usualPatience), await context.locks(usualPatience)];
      const key = context.key();
      const lock = await one.acquire(key);
      const waiting = context.begin(two.using(key, () => 'served'));
      await context.sleep(context.timing.pollMs);
      await context.harness.hooks!.restart!();
      // Held or lost: what a backend remembers is its own affair.
      await context.soon('the holder gives back what it held', lock.release());
      assert.equal(await context.soon('the waiter is served', waiting), 'served');
      await assertWorks(context, one);
    },
  },
  {
    id: 'LK-0141',
    level: 'MUST',
    rule: 'C-91',
    title: 'tokens rise over a restart of the servers',
    hazards: [62],
    requires: { fencing: true },
    needs: ['restart'],
    alone: true,
    async run(context) {
      const [one, two] = [await context.locks(usualPatience), await context.locks(usualPatience)];
      const key = context.key();
      const before = await one.acquire(key);
      const { fencingToken } = before;
      await assertRelease(before.release());
      await context.harness.hooks!.restart!();
      for (const locks of [one, two]) {
        const after = await context.soon('the key is locked again', locks.acquire(key));
        assert.ok(
          after.fencingToken! > fencingToken!,
          `After ${fencingToken} and a restart came ${after.fencingToken}`,
        );
        await after.release();
      }
    },
  },
  {
    id: 'LK-0142',
    level: 'MUST',
    rule: 'C-129',
    title: 'the backend loses its leader or primary: who held a lock still holds it, and nobody else is let in',
    hazards: [19, 74],
    requires: { survivesFailover: true },
    needs: ['failover'],
    alone: true,
    async run(context) {
      const [one, two] = [await context.locks(usualPatience), await context.client()];
      const key = context.key();
      const lock = await one.acquire(key);
      await context.harness.hooks!.failover!();
      const stranger = context.attempt(key);
      const outcome = await context.eventually('the new leader answers', () =>
        two.tryAcquire(stranger).catch(() => undefined),
      );
      assert.equal(
        outcome.status,
        'busy',
        'Another owner was let in after a failover, and the first lease still stands',
      );
      await context.eventually('its holder renews it at the new leader', () =>
        lock.renew().then(
          () => true,
          () => false,
        ),
      );
      lock.assertHeld();
      await assertRelease(lock.release());
      await context.assertFree(two, key, 'its holder released it after the failover');
    },
  },
  {
    id: 'LK-0143',
    level: 'MUST',
    rule: 'C-139',
    title: 'a failover may lose a lock, but not in silence: its holder has it or is told, and tokens rise',
    hazards: [19],
    requires: { survivesFailover: false },
    needs: ['failover'],
    alone: true,
    async run(context) {
      const [one, two] = [await context.locks(usualPatience), await context.locks(usualPatience)];
      const key = context.key();
      const { leaseMs } = context.timing;
      const lock = await one.acquire(key, { ttlMs: leaseMs });
      await context.harness.hooks!.failover!();
      let passedOn = false;
      const waiting = context.begin(two.acquire(key));
      const note = () => {
        passedOn = true;
      };
      waiting.then(note, () => {});
      await context.sleep(leaseMs);
      // Renewed since then, or over.
      if (lock.state === 'held') {
        assert.ok(!passedOn, 'Another was let in after the failover, and the old holder believes that it has renewed');
        await context.assertBusy(await context.client(), key, 'its holder has renewed it after the failover');
      }
      await lock.release();
      const next = await context.soon('the next one gets the lock', waiting);
      if (context.harness.capabilities.fencing)
        assert.ok(next.fencingToken! > lock.fencingToken!, 'The token did not rise');
      // It may have been granted by a server that was replaced a moment later: then that is told too.
      await next.release();
      await assertWorks(context, two);
    },
  },
  {
    id: 'LK-0144',
    level: 'MUST',
    rule: 'C-16',
    title: 'a lease of 30 days stands for 30 days and is over after them, by the clock of the backend',
    hazards: [9],
    requires: { expiry: 'ttl' },
    needs: ['advance'],
    alone: true,
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const dayMs = 86_400_000;
      const ttlMs = 30 * dayMs;
      const advance = (ms: number) => context.harness.hooks!.advance!(ms);
      const hold = await context.take(one, key, { ttlMs });
      await advance(29 * dayMs);
      await context.assertBusy(two, key, 'it is held for 30 days, and 29 are over');
      const renewed = await one.renew(hold, ttlMs);
      assert.equal(renewed.status, 'renewed', 'A lease of 30 days could not be renewed on its last day');
      await advance(29 * dayMs);
      await context.assertBusy(two, key, 'it was renewed for 30 days, and 29 are over');
      await advance(dayMs + context.harness.capabilities.ttl.maxOvershootMs);
      const next = await context.take(two, key);
      assert.equal((await one.renew(hold, ttlMs)).status, 'lost', 'A lease that is over for long could be renewed');
      if (context.harness.capabilities.fencing)
        assert.ok(next.fencingToken! > hold.fencingToken!, 'The token did not rise');
    },
  },
];
