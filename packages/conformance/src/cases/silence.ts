import assert from 'node:assert/strict';
import type { Case } from '../case.ts';
import { assertRelease } from './assert-release.ts';
import { askInVain, assertNoOrphan, assertUnanswered, impatient } from './unanswered.ts';
import { acquireBefore } from './works-again.ts';

/** A backend that does not answer: it may have heard. */
export const silenceCases: readonly Case[] = [
  {
    id: 'LK-0131',
    level: 'MUST',
    rule: 'C-134',
    title: 'connections are refused: LOCK_BACKEND in time, and never "busy"; afterwards the client works again',
    hazards: [27, 85],
    needs: ['servers'],
    async run(context) {
      const options = impatient(context);
      const { locks, faults } = await context.proxiedLocks(options);
      faults.refuse();
      const sentAt = context.now();
      const keys = await askInVain(context, locks);
      const tookMs = context.now() - sentAt;
      assert.ok(tookMs >= options.backendTimeoutMs - 1, `LOCK_BACKEND came after ${tookMs} ms, before its time`);
      context.measures.backendErrorAfterMs = tookMs;
      await faults.heal();
      await assertNoOrphan(context, locks, keys, 'it was asked for while connections were refused, and given up');
    },
  },
  {
    id: 'LK-0132',
    level: 'MUST',
    rule: 'C-133',
    title: 'requests that were given up arrive late: they leave no orphan',
    hazards: [11, 27, 80],
    needs: ['servers'],
    async run(context) {
      const { locks, faults } = await context.proxiedLocks(impatient(context));
      faults.hold();
      const keys = await askInVain(context, locks);
      await faults.heal();
      await assertNoOrphan(context, locks, keys, 'its request was given up, and arrived late');
    },
  },
  {
    id: 'LK-0133',
    level: 'MUST',
    rule: 'C-133',
    title: 'requests that were given up had arrived, only their replies were lost: they leave no orphan',
    hazards: [11, 13, 80],
    needs: ['servers'],
    async run(context) {
      const { locks, faults } = await context.proxiedLocks(impatient(context));
      faults.blackHole('to-client');
      const keys = await askInVain(context, locks);
      await faults.heal();
      await assertNoOrphan(context, locks, keys, 'its reply was lost, and nobody waits for it any more');
    },
  },
  {
    id: 'LK-0134',
    level: 'MUST',
    rule: 'C-72',
    title: 'an acquire that gets no answer is aborted: it rejects at once, and leaves no orphan',
    hazards: [11, 64],
    needs: ['servers'],
    async run(context) {
      const { locks, faults } = await context.proxiedLocks();
      const key = context.key();
      const abort = new AbortController();
      const reason = new RangeError('enough');
      faults.hold();
      const waiting = context.begin(
        assert.rejects(locks.acquire(key, { signal: abort.signal }), (error) => error === reason),
      );
      await context.sleep(context.timing.pollMs);
      abort.abort(reason);
      await context.soon('the aborted acquire rejects', waiting, context.timing.graceMs);
      await faults.heal();
      await assertNoOrphan(context, locks, [key], 'its request was aborted, and arrived late');
    },
  },
  {
    id: 'LK-0135',
    level: 'MUST',
    rule: 'C-34',
    title: 'a renewal without an answer is LOCK_BACKEND; the lease stands, and is renewed when the backend is back',
    hazards: [45, 51],
    needs: ['servers'],
    async run(context) {
      const { locks, faults } = await context.proxiedLocks(impatient(context));
      const lock = await acquireBefore(context, locks, context.key(), { autoRenew: false });
      faults.blackHole();
      await assertUnanswered(context, lock.renew());
      lock.assertHeld();
      await faults.heal();
      await context.eventually('the lock is renewed when the backend is back', () =>
        lock.renew().then(
          () => true,
          () => lock.state === 'lost',
        ),
      );
      if (lock.state === 'lost') await context.assertMachineRan(context.timing.longTtlMs / 12);
      lock.assertHeld();
      await assertRelease(lock.release());
    },
  },
  {
    id: 'LK-0136',
    level: 'MUST',
    rule: 'C-116',
    title: 'inspect and forceRelease reject with LOCK_BACKEND when no answer comes; they guess nothing',
    hazards: [24],
    needs: ['servers', 'inspect', 'forceRelease'],
    async run(context) {
      const { locks, faults } = await context.proxiedLocks(impatient(context));
      const key = context.key();
      faults.blackHole();
      await assertUnanswered(context, locks.inspect(key), locks.forceRelease(key));
    },
  },
  {
    id: 'LK-0137',
    level: 'MUST',
    rule: 'C-123',
    title: 'close ends in bounded time while the backend is silent, with a lock held and others waiting',
    hazards: [55],
    needs: ['servers'],
    async run(context) {
      const { locks, faults } = await context.proxiedLocks(impatient(context));
      const key = context.key();
      await acquireBefore(context, locks, key);
      const waiting = context.begin(assert.rejects(locks.acquire(key), { code: 'LOCK_CLOSED' }));
      await context.sleep(context.timing.pollMs);
      faults.blackHole();
      await context.soon('close ends while the backend is silent', Promise.all([locks.close(), waiting]));
      const bare = await context.proxied();
      bare.faults.blackHole();
      await context.soon(
        'the close of an adapter ends while the backend is silent',
        Promise.resolve(bare.adapter.close?.()),
      );
    },
  },
];
