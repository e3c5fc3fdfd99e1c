import assert from 'node:assert/strict';
import type { LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { assertRelease } from './assert-release.ts';
import { exclusive, permits, shared, takeClaim } from './claim-holds.ts';

/** Fails unless what is done to the key is hinted at to a client that listens. */
async function assertHint(context: Context, by: LockAdapter, key: string, what: string, act: () => Promise<unknown>) {
  const leaving = new AbortController();
  const listen = () => context.begin(by.whenFree!(key, leaving.signal));
  await context.soon('the subscription stands', listen(), context.timing.graceMs);
  const hint = listen();
  await act();
  await context.soon(`a hint comes: ${what}`, hint, context.timing.graceMs);
  leaving.abort(new Error('no longer wanted'));
}

/** Hints of all that may let a waiter in. */
export const claimHintCases: readonly Case[] = [
  {
    id: 'LK-0307',
    level: 'MUST',
    rule: 'C-272',
    title:
      'whenFree tells of a forced release, of a downgrade, of the last reader that leaves, and of permits that come back',
    hazards: [37, 95],
    needs: ['whenFree'],
    requires: { wakeup: 'push' },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const { shared: hasShared, permits: hasPermits } = context.harness.capabilities;
      const trials = [];
      if (one.forceRelease) {
        const held = await takeClaim(context, one, context.key(), exclusive);
        const act = () => one.forceRelease!(held.key);
        trials.push(assertHint(context, two, held.key, 'the key was released by force', act));
      }
      if (context.forcesByName) {
        const held = await takeClaim(context, one, context.key(), exclusive);
        const act = () => one.forceRelease!(held.key, held.owner);
        trials.push(assertHint(context, two, held.key, 'its holder was released by force, by its name', act));
      }
      if (hasShared) {
        const key = context.key();
        const [first, last] = [await takeClaim(context, one, key, shared), await takeClaim(context, one, key, shared)];
        await assertRelease(one.release(first));
        const act = () => assertRelease(one.release(last));
        trials.push(assertHint(context, two, key, 'the last reader has left', act));
      }
      // A queue admits compatible waiters without a hint.
      if (one.downgrade && hasShared && !one.enqueue) {
        const held = await takeClaim(context, one, context.key(), exclusive);
        const act = () => one.downgrade!(held, context.timing.longTtlMs);
        trials.push(assertHint(context, two, held.key, 'its holder shares it from now on', act));
      }
      if (hasPermits && !one.enqueue) {
        const key = context.key();
        const [first, last] = [
          await takeClaim(context, one, key, permits(3, 5)),
          await takeClaim(context, one, key, permits(2, 5)),
        ];
        const act = () => assertRelease(one.release(first));
        const trial = assertHint(context, two, key, 'some permits came back, and others are held', act);
        trials.push(trial.then(() => assertRelease(one.release(last))));
      }
      await Promise.all(trials);
    },
  },
  {
    id: 'LK-0308',
    level: 'MUST',
    rule: 'C-71',
    title: 'whenFree with a signal that is aborted, before or while it waits, rejects at once',
    hazards: [37],
    needs: ['whenFree'],
    requires: { wakeup: 'push' },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const { key } = await takeClaim(context, one, context.key(), exclusive);
      const reason = new Error('no longer wanted');
      const assertRejects = (asked: Promise<void>, when: string) =>
        context.soon(
          `whenFree rejects: its signal was aborted ${when}`,
          assert.rejects(asked, `whenFree must reject: its signal was aborted ${when}`),
          context.timing.graceMs,
        );
      await assertRejects(two.whenFree!(key, AbortSignal.abort(reason)), 'before');
      const leaving = new AbortController();
      await context.soon('the subscription stands', two.whenFree!(key, leaving.signal), context.timing.graceMs);
      const waiting = [
        context.begin(two.whenFree!(key, leaving.signal)),
        context.begin(two.whenFree!(key, leaving.signal)),
      ];
      leaving.abort(reason);
      for (const each of waiting) await assertRejects(each, 'while it waited');
    },
  },
];
