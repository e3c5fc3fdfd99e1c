import assert from 'node:assert/strict';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import type { Direction } from '../faults/types.ts';
import { assertRelease } from './assert-release.ts';
import { assertWorks } from './works-again.ts';

/** A holder is cut off in silence; another gets the lock, and the holder knew before. Then it works again. */
async function partitionedWhileHeld(context: Context, direction: Direction): Promise<void> {
  const { leaseMs, pollMs } = context.timing;
  const [{ locks, faults }, two] = [await context.proxiedLocks(), await context.locks()];
  const key = context.key();
  const lock = await locks.acquire(key, { ttlMs: leaseMs });
  const waiting = context.begin(two.acquire(key));
  await context.sleep(pollMs);
  faults.blackHole(direction);
  const next = await context.soon('another gets the lock of a holder that is cut off', waiting, 2 * context.boundMs);
  const leftMs = lock.remainingMs;
  assert.equal(leftMs, 0, `Another holds the lock; its old holder, cut off, believes in ${leftMs} ms more`);
  assert.throws(() => lock.assertHeld(), { code: 'LOCK_LOST' });
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(lock.signal.aborted, 'Another holds the lock, and the signal of its old holder has not aborted');
  if (context.harness.capabilities.fencing)
    assert.ok(next.fencingToken! > lock.fencingToken!, 'The token did not rise');
  await faults.heal();
  await assertRelease(lock.release(), 'lost');
  await assertWorks(context, locks);
  next.assertHeld();
  await assertRelease(next.release());
}

/** The network between a client and its backend. */
export const partitionCases: readonly Case[] = [
  {
    id: 'LK-0125',
    level: 'MUST',
    rule: 'C-60',
    title:
      'a silent partition while a lock is held: lost before another is let in, and the client works again after it',
    hazards: [45, 46, 66],
    needs: ['servers'],
    run: (context) => partitionedWhileHeld(context, 'both'),
  },
  {
    id: 'LK-0126',
    level: 'MUST',
    rule: 'C-60',
    title: 'requests vanish, replies would come: lost before another is let in, and the client works again after it',
    hazards: [45, 46, 66, 79],
    needs: ['servers'],
    run: (context) => partitionedWhileHeld(context, 'to-server'),
  },
  {
    id: 'LK-0127',
    level: 'MUST',
    rule: 'C-60',
    title: 'requests arrive, replies vanish: lost before another is let in, and the client works again after it',
    hazards: [45, 46, 66, 79],
    needs: ['servers'],
    run: (context) => partitionedWhileHeld(context, 'to-client'),
  },
  {
    id: 'LK-0128',
    level: 'MUST',
    rule: 'C-69',
    title: 'the connection of a waiter is cut: it is served all the same',
    hazards: [37, 38, 83],
    needs: ['servers'],
    async run(context) {
      const [{ locks, faults }, holder] = [await context.proxiedLocks(), await context.client()];
      const key = context.key();
      const hold = await context.take(holder, key);
      const waiting = context.begin(locks.acquire(key));
      await context.sleep(2 * context.timing.pollMs);
      faults.cut();
      await holder.release(hold);
      const lock = await context.soon('the waiter whose connection was cut is served', waiting);
      await assertRelease(lock.release());
      await context.assertFree(holder, key, 'the waiter released it');
    },
  },
  {
    id: 'LK-0129',
    level: 'MUST',
    rule: 'C-69',
    title: 'the lock is released while its waiters are disconnected: they are served when they are back',
    hazards: [37, 38, 40, 83],
    needs: ['servers'],
    async run(context) {
      const [{ locks, faults }, holder] = [await context.proxiedLocks(), await context.client()];
      const key = context.key();
      const hold = await context.take(holder, key);
      const waiting = [1, 2, 3].map((n) => context.begin(locks.using(key, () => n)));
      await context.sleep(2 * context.timing.pollMs);
      faults.refuse();
      await holder.release(hold);
      await context.sleep(context.timing.pollMs);
      await faults.heal();
      const served = await context.soon('the waiters are served when they are back', Promise.all(waiting));
      assert.deepEqual(served, [1, 2, 3]);
      await context.assertFree(holder, key, 'all its waiters had it and gave it back');
    },
  },
  {
    id: 'LK-0130',
    level: 'MUST',
    rule: 'C-138',
    title: 'a client whose connection is cut, again and again, works again at once, with what it holds',
    hazards: [69, 76, 89],
    needs: ['servers'],
    async run(context) {
      const { locks, faults } = await context.proxiedLocks();
      const key = context.key();
      const lock = await locks.acquire(key);
      for (let round = 0; round < 3; round++) {
        faults.cut();
        const renewed = lock.renew().catch(async (error: unknown) => {
          if (lock.state === 'lost') await context.assertMachineRan(context.timing.longTtlMs / 12);
          throw error;
        });
        await context.soon('it renews over a new connection', renewed);
        await context.soon(
          'it locks over a new connection',
          locks.using(context.key(), () => {}),
        );
      }
      lock.assertHeld();
      await assertRelease(lock.release());
    },
  },
];
