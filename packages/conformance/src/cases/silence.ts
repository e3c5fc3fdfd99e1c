import assert from 'node:assert/strict';
import type { LocksOptions } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { acquireBefore, assertWorks } from './works-again.ts';

/** Little patience with a backend that says nothing, so that a case need not have more. */
const impatient = ({ timing }: Context): LocksOptions & { backendTimeoutMs: number } => ({
  backendTimeoutMs: timing.graceMs / 2,
  attemptTimeoutMs: timing.graceMs / 8,
});

/** Nothing of what was given up may come in later and stay: with leases this long, nothing would end by itself. */
async function assertNoOrphan(context: Context, keys: readonly string[], why: string): Promise<void> {
  const stranger = await context.client();
  await context.sleep(context.timing.quietMs);
  for (const key of keys) {
    await context.eventually(`the key is free again: ${why}`, async () => !(await context.isHeld(stranger, key)));
    await context.assertFree(stranger, key, why);
  }
}

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
      const keys = [context.key(), context.key()] as const;
      faults.refuse();
      const sentAt = context.now();
      const refused = Promise.all([
        assert.rejects(locks.acquire(keys[0]), { code: 'LOCK_BACKEND' }),
        assert.rejects(locks.tryAcquire(keys[1]), { code: 'LOCK_BACKEND' }),
      ]);
      await context.soon('LOCK_BACKEND', refused, options.backendTimeoutMs + context.boundMs);
      const tookMs = context.now() - sentAt;
      assert.ok(tookMs >= options.backendTimeoutMs - 1, `LOCK_BACKEND came after ${tookMs} ms, before its time`);
      context.measures.backendErrorAfterMs = tookMs;
      await faults.heal();
      await assertWorks(context, locks);
      await assertNoOrphan(context, keys, 'it was asked for while connections were refused, and given up');
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
      const options = impatient(context);
      const { locks, faults } = await context.proxiedLocks(options);
      const keys = [context.key(), context.key()] as const;
      faults.hold();
      const given = Promise.all([
        assert.rejects(locks.acquire(keys[0]), { code: 'LOCK_BACKEND' }),
        assert.rejects(locks.tryAcquire(keys[1]), { code: 'LOCK_BACKEND' }),
      ]);
      await context.soon('LOCK_BACKEND', given, options.backendTimeoutMs + context.boundMs);
      await faults.heal();
      await assertWorks(context, locks);
      await assertNoOrphan(context, keys, 'its request was given up, and arrived late');
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
      const options = impatient(context);
      const { locks, faults } = await context.proxiedLocks(options);
      const keys = [context.key(), context.key()] as const;
      faults.blackHole('to-client');
      const given = Promise.all([
        assert.rejects(locks.acquire(keys[0]), { code: 'LOCK_BACKEND' }),
        assert.rejects(locks.tryAcquire(keys[1]), { code: 'LOCK_BACKEND' }),
      ]);
      await context.soon('LOCK_BACKEND', given, options.backendTimeoutMs + context.boundMs);
      await faults.heal();
      await assertWorks(context, locks);
      await assertNoOrphan(context, keys, 'its reply was lost, and nobody waits for it any more');
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
      await assertWorks(context, locks);
      await assertNoOrphan(context, [key], 'its request was aborted, and arrived late');
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
      const options = impatient(context);
      const { locks, faults } = await context.proxiedLocks(options);
      const lock = await acquireBefore(context, locks, context.key(), { autoRenew: false });
      faults.blackHole();
      const renewing = assert.rejects(lock.renew(), { code: 'LOCK_BACKEND' });
      await context.soon('LOCK_BACKEND', renewing, options.backendTimeoutMs + context.boundMs);
      lock.assertHeld();
      await faults.heal();
      await context.eventually('the lock is renewed when the backend is back', () =>
        lock.renew().then(
          () => true,
          () => false,
        ),
      );
      assert.equal(await lock.release(), 'released');
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
      const options = impatient(context);
      const { locks, faults } = await context.proxiedLocks(options);
      const key = context.key();
      faults.blackHole();
      const asked = Promise.all([
        assert.rejects(locks.inspect(key), { code: 'LOCK_BACKEND' }),
        assert.rejects(locks.forceRelease(key), { code: 'LOCK_BACKEND' }),
      ]);
      await context.soon('LOCK_BACKEND', asked, options.backendTimeoutMs + context.boundMs);
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
