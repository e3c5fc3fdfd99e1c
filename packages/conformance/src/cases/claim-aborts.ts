import type { Claim, LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { assertClaimFree, nameOf, takeClaim } from './claim-holds.ts';
import { claimsOf, wholeOf } from './every-claim.ts';

type Clients = readonly [LockAdapter, LockAdapter];
type Trial = (context: Context, clients: Clients, claim: Claim, afterMs: number | undefined) => Promise<void>;

/** At once where it is `undefined`, else after so long. */
const pause = (context: Context, ms: number | undefined) => (ms === undefined ? undefined : context.sleep(ms));

/** A request whose signal aborts on its way. */
const asked: Trial = async (context, [one, two], claim, afterMs) => {
  const key = context.key();
  const leaving = new AbortController();
  const attempt = context.attempt(key, { claim, signal: leaving.signal });
  const asking = context.begin(one.tryAcquire(attempt));
  await pause(context, afterMs);
  leaving.abort(new Error('no longer wanted'));
  const outcome = await context.soon('a request is answered, whose signal aborted', asking).catch(() => undefined);
  // "Busy" leaves nothing to give back; what rejects may have been done, or be on its way still.
  if (outcome === undefined) await context.sleep(context.slackMs);
  if (outcome?.status !== 'busy') await one.release(attempt);
  await assertClaimFree(
    context,
    two,
    key,
    wholeOf(claim),
    `a request for ${nameOf(claim)} was answered "${outcome?.status ?? 'unknown'}", when its signal had aborted`,
  );
};

/** A waiter whose signal aborts, before the hold in its way ends or just as that does. */
const waiting =
  (isReleased: boolean): Trial =>
  async (context, [one, two], claim, afterMs) => {
    const key = context.key();
    const reason = new Error('no longer wanted');
    const leaving = new AbortController();
    const hold = await takeClaim(context, one, key, wholeOf(claim));
    const attempt = context.attempt(key, { claim, signal: leaving.signal });
    const answer = context.begin(two.enqueue!(attempt, leaving.signal));
    if (isReleased) await context.sleep(2 * context.latencyMs);
    const releasing = isReleased ? context.begin(one.release(hold)) : undefined;
    await pause(context, afterMs);
    leaving.abort(reason);
    const [{ status, ...settled }] = await context.soon(
      'an enqueue settles, whose signal aborted',
      Promise.allSettled([answer]),
    );
    await (releasing ?? one.release(hold));
    // Who is given the reason of its own signal has neither a place nor a hold, so it gives nothing back.
    const isOver = status === 'rejected' && (settled as PromiseRejectedResult).reason === reason;
    if (!isOver) await two.release(attempt);
    const how = isOver ? 'rejected with the reason of its signal' : 'was released';
    await assertClaimFree(
      context,
      one,
      key,
      wholeOf(claim),
      `the holder has left, and a waiter for ${nameOf(claim)} ${how}`,
    );
  };

/** A waiter whose signal had aborted before it asked. */
const tooLate = async (context: Context, [one, two]: Clients, claim: Claim) => {
  const key = context.key();
  const hold = await takeClaim(context, one, key, wholeOf(claim));
  const signal = AbortSignal.abort(new Error('no longer wanted'));
  const attempt = context.attempt(key, { claim, signal });
  const answer = Promise.allSettled([two.enqueue!(attempt, signal)]);
  const [{ status }] = await context.soon('an enqueue settles, whose signal had aborted', answer);
  if (status === 'fulfilled') await two.release(attempt);
  await one.release(hold);
  const why = `the holder has left, and a waiter for ${nameOf(claim)} was refused, whose signal had aborted`;
  await assertClaimFree(context, one, key, wholeOf(claim), why);
};

/** Signals that abort at odd moments. */
export const claimAbortCases: readonly Case[] = [
  {
    id: 'LK-0317',
    level: 'MUST',
    rule: 'C-14',
    title: 'a request whose signal aborts on its way is not answered "busy" while it holds something',
    hazards: [11, 27],
    async run(context) {
      const clients = [await context.client(), await context.client()] as const;
      const moments = [undefined, 0, context.random.between(0, 3), context.latencyMs / 2, context.latencyMs];
      await Promise.all(claimsOf(context).flatMap((claim) => moments.map((ms) => asked(context, clients, claim, ms))));
    },
  },
  {
    id: 'LK-0318',
    level: 'MUST',
    rule: 'C-294',
    title: 'an enqueue that rejects with the reason of its signal has neither a place nor a hold, whenever that aborts',
    hazards: [42, 106],
    needs: ['enqueue'],
    async run(context) {
      const clients = [await context.client(), await context.client()] as const;
      const { latencyMs, random } = context;
      const moments = [
        undefined,
        0,
        1,
        random.between(0, 4),
        latencyMs / 2,
        latencyMs,
        random.between(0, 2 * latencyMs),
      ];
      const trials = claimsOf(context).flatMap((claim) =>
        [true, false].flatMap((isReleased) => moments.map((ms) => waiting(isReleased)(context, clients, claim, ms))),
      );
      trials.push(...claimsOf(context).map((claim) => tooLate(context, clients, claim)));
      await Promise.all(trials);
    },
  },
];
