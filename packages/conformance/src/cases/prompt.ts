import type { Claim, LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context, RawHold } from '../context.ts';
import { takeClaim } from './claim-holds.ts';
import { claimsOf, wholeOf } from './every-claim.ts';
import { join } from './join-queue.ts';

/** More than a table of a few subscriptions has room for. */
const MANY_KEYS = 43;
const ROUNDS = 7;

type Listen = () => Promise<void>;

/** Listens for hints of a key; each call of what it gives waits for the next one. */
async function listenTo(context: Context, adapter: LockAdapter, key: string, signal: AbortSignal): Promise<Listen> {
  const next = () => context.begin(adapter.whenFree!(key, signal));
  await context.soon('the subscription stands', next(), context.timing.graceMs);
  return next;
}

/** How long after the call of a release a waiter in the queue has the key. */
async function queuedAfter(context: Context, [one, two]: readonly [LockAdapter, LockAdapter], hold: RawHold) {
  const waiter = await join(context, two, hold.key, { claim: hold.claim });
  const sentAt = context.now();
  const releasing = one.release(hold);
  await context.soon('a waiter is granted after the release', waiter.granted);
  const ms = context.now() - sentAt;
  await releasing;
  await two.release(waiter.attempt);
  return ms;
}

/** How long after the call of a release its hint has come. */
async function toldAfter(context: Context, [one, two]: readonly [LockAdapter, LockAdapter], hold: RawHold) {
  const leaving = new AbortController();
  const next = await listenTo(context, two, hold.key, leaving.signal);
  const hint = next();
  const sentAt = context.now();
  const releasing = one.release(hold);
  await context.soon('a hint comes after the release', hint);
  const ms = context.now() - sentAt;
  await releasing;
  leaving.abort(new Error('no longer wanted'));
  return ms;
}

/** Which waiters a backend notifies of a release, and when. */
export const promptCases: readonly Case[] = [
  {
    id: 'LK-0341',
    level: 'MUST',
    rule: 'C-71',
    title: 'whenFree tells one client of the releases of many keys',
    hazards: [37],
    needs: ['whenFree'],
    requires: { wakeup: 'push' },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const leaving = Array.from({ length: MANY_KEYS }, () => new AbortController());
      const hints = await Promise.all(
        leaving.map(async ({ signal }) => {
          const hold = await context.take(one, context.key());
          const next = await listenTo(context, two, hold.key, signal);
          return { hold, hint: next() };
        }),
      );
      for (const { hold } of hints) await one.release(hold);
      const all = Promise.all(hints.map(({ hint }) => hint));
      await context.soon(`a client that listens for ${MANY_KEYS} keys is told of each`, all, context.timing.graceMs);
      for (const each of leaving) each.abort(new Error('no longer wanted'));
    },
  },
  {
    id: 'LK-0342',
    level: 'MUST',
    long: true,
    rule: 'C-322',
    title: 'wakeup push: who waits is told of a release at once, and does not look for it now and then',
    hazards: [37, 39],
    requires: { wakeup: 'push' },
    async run(context) {
      const clients = [await context.client(), await context.client()] as const;
      const measure = clients[1].enqueue ? queuedAfter : toldAfter;
      const check = async (claim: Claim) => {
        // One after the other, as whatever stands still or looks now and then does so for all keys at once.
        const times: number[] = [];
        for (let i = 0; i < ROUNDS; i++) {
          await context.sleep(context.random.between(0, 300));
          const hold = await takeClaim(context, clients[0], context.key(), wholeOf(claim));
          times.push(await measure(context, clients, hold));
        }
        const medianMs = times.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)]!;
        context.assertInTime(
          medianMs,
          `Of ${ROUNDS} times a waiter was mostly told of a release after ${Math.round(medianMs)} ms or more`,
        );
      };
      await Promise.all(claimsOf(context).map(check));
    },
  },
];
