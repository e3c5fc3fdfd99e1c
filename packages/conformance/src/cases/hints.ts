import assert from 'node:assert/strict';
import type { LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { assertRelease } from './assert-release.ts';

interface Listener {
  readonly abort: AbortController;
  next(): Promise<void>;
}

async function listen(context: Context, adapter: LockAdapter, key: string): Promise<Listener> {
  const abort = new AbortController();
  const next = () => context.begin(adapter.whenFree!(key, abort.signal));
  await context.soon('the subscription stands', next(), context.timing.graceMs);
  return { abort, next };
}

/** Hints, where several waiters of one client wait for one key. */
export const hintCases: readonly Case[] = [
  {
    id: 'LK-0182',
    level: 'MUST',
    rule: 'C-159',
    title: 'whenFree: a waiter that leaves ends no other’s hints, whoever of them leaves first',
    hazards: [40, 42],
    needs: ['whenFree'],
    requires: { wakeup: 'push' },
    async run(context) {
      const [one, two, three] = [await context.client(), await context.client(), await context.client()];
      const trial = async (order: readonly number[]) => {
        const key = context.key();
        const elsewhere = await listen(context, two, context.key());
        const listeners: Listener[] = [];
        for (let i = 0; i < order.length; i++) listeners.push(await listen(context, i === 3 ? three : two, key));
        for (const leaving of order) {
          const hold = await context.take(one, key);
          const leaver = listeners[leaving]!;
          const left = context.begin(assert.rejects(leaver.next(), 'An aborted whenFree must reject'));
          const hints = listeners
            .filter((each) => each !== leaver && !each.abort.signal.aborted)
            .map((each) => each.next());
          leaver.abort.abort(new Error('no longer wanted'));
          await context.soon('the aborted whenFree settles', left, context.timing.graceMs);
          await assertRelease(one.release(hold));
          await context.soon(
            `the hint reaches the ${hints.length} waiters that stay, when another of the same client has left`,
            Promise.all(hints),
            context.timing.graceMs,
          );
        }
        elsewhere.abort.abort(new Error('no longer wanted'));
        // A waiter that comes after all others have left still receives hints.
        const late = await listen(context, two, key);
        const hold = await context.take(one, key);
        const hint = late.next();
        await one.release(hold);
        await context.soon('the hint reaches a waiter that came when others had left', hint, context.timing.graceMs);
        late.abort.abort(new Error('no longer wanted'));
      };
      await Promise.all([trial([0, 1, 2, 3]), trial([2, 0, 3, 1]), trial([1, 3, 0, 2])]);
    },
  },
];
