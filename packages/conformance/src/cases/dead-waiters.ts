import assert from 'node:assert/strict';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import type { LockProcess } from '../start-process.ts';
import { assertRelease } from './assert-release.ts';
import { assertStands, shared, takeClaim } from './claim-holds.ts';
import { queued } from './join-queue.ts';

/** More than one lease of a place and one reservation take anywhere, however many of the waiters are dead. */
const deadWaitersMs = 12_000;

/** The case sets the limit. */
const patient = { waitMs: Number.POSITIVE_INFINITY };

/** Processes that are killed or paused while they wait. */
export const deadWaiterCases: readonly Case[] = [
  {
    id: 'LK-0260',
    level: 'MUST',
    long: true,
    rule: 'C-190',
    title:
      'processes that wait are killed: whoever waits behind them gets the key, and where all are dead a newcomer does',
    hazards: [94, 103, 104],
    requires: { crossProcess: true },
    needs: ['process'],
    async run(context) {
      const dying = await Promise.all([context.process(), context.process(), context.process()]);
      const [one, two, locks] = [await context.client(), await context.client(), await context.locks()];
      const [followed, deserted] = [context.key(), context.key()];
      const holds = [await context.take(one, followed), await context.take(one, deserted)];
      for (const [i, other] of dying.entries()) {
        for (const key of [followed, deserted]) {
          await other.wait(key, context.timing.leaseMs);
          await queued(context, two, key, i + 1);
        }
      }
      const behind = context.begin(locks.acquire(followed, patient));
      await queued(context, two, followed, dying.length + 1);
      await Promise.all(dying.map((other) => other.kill()));
      const freedAt = context.now();
      for (const hold of holds) await assertRelease(one.release(hold));
      const withinMs = deadWaitersMs + 2 * context.boundMs;
      const newcomer = await context.locks();
      await Promise.all(
        [behind, newcomer.acquire(deserted, patient)].map(async (acquiring) => {
          const lock = await context.soon('the key passes the waiters that are dead', acquiring, withinMs);
          await assertRelease(lock.release());
        }),
      );
      context.measures.deadWaitersMs = context.now() - freedAt;
    },
  },
  {
    id: 'LK-0360',
    level: 'MUST',
    long: true,
    rule: 'C-190',
    title: 'a writer is killed while it waits: a reader behind it is let in beside one that keeps the key',
    hazards: [92, 103],
    requires: { crossProcess: true, shared: true },
    needs: ['process'],
    async run(context) {
      const other = await context.process();
      const [one, locks] = [await context.client(), await context.locks()];
      const key = context.key();
      const reader = await takeClaim(context, one, key, shared);
      await other.wait(key, context.timing.leaseMs);
      await queued(context, one, key, 1);
      const behind = context.begin(locks.acquire(key, { ...patient, mode: 'shared' }));
      await queued(context, one, key, 2);
      await other.kill();
      const lock = await context.soon(
        'a reader passes a writer that is dead',
        behind,
        deadWaitersMs + 2 * context.boundMs,
      );
      await assertStands(context, reader, 'a reader was let in beside it');
      await assertRelease(lock.release());
      await assertRelease(one.release(reader));
    },
  },
  {
    id: 'LK-0261',
    level: 'MUST',
    long: true,
    rule: 'C-240',
    title:
      'a process that is next is paused past its turn: others go on without it, and beside them it never holds the key',
    hazards: [48, 105, 107],
    requires: { crossProcess: true },
    needs: ['process'],
    async run(context) {
      const other = await context.process();
      const [one, locks] = [await context.client(), await context.locks()];
      const key = context.key();
      const hold = await context.take(one, key);
      await other.wait(key, context.timing.leaseMs);
      await queued(context, one, key, 1);
      const behind = context.begin(locks.acquire(key, patient));
      await queued(context, one, key, 2);
      other.pause();
      await assertRelease(one.release(hold));
      const lock = await context.soon(
        'the key passes a process that is paused',
        behind,
        deadWaitersMs + 2 * context.boundMs,
      );
      const granted = { is: false };
      const itsTurn = context.begin(
        other.granted(key).then((grant) => {
          granted.is = true;
          return grant;
        }),
      );
      other.resume();
      await assertKeepsOut(context, other, lock, granted);
      await assertRelease(lock.release());
      const { fencingToken } = await context.soon(
        'the process that was paused gets the key',
        itsTurn,
        2 * context.boundMs,
      );
      if (context.harness.capabilities.fencing) assert.ok(fencingToken! > lock.fencingToken!, 'The token did not rise');
      await assertRelease(other.release());
    },
  },
];

/** For a while after it goes on: it has not been granted the key, and the lock of the one that passed it stands. */
async function assertKeepsOut(
  context: Context,
  other: LockProcess,
  lock: { renew(): Promise<void>; assertHeld(): void },
  granted: { readonly is: boolean },
): Promise<void> {
  // It is at work again, and has seen what came while it was paused.
  await context.soon('the process goes on', other.ping(), 2 * context.boundMs);
  await context.sleep(2 * context.timing.quietMs);
  await lock.renew();
  lock.assertHeld();
  assert.equal(
    granted.is,
    false,
    'A process that was passed while it was paused holds the key beside the one that passed it',
  );
}
