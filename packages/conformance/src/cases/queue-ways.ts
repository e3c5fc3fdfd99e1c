import type { AcquireAttempt } from '@holdfast/lock-core';
import type { Held } from './claim-holds.ts';
import { wholeOf } from './every-claim.ts';
import { join, type Waiter } from './join-queue.ts';
import { type Begun, release, renewed, shorter, take, type Way, type Wish } from './lease-steps.ts';

/** The lease of one that the queue grants without a release. */
async function grantedAtOnce({ context, claim, ttlMs }: Wish, waiter: Waiter, what: string): Promise<Begun> {
  const { attempt, adapter, calledAt: sentAt } = waiter;
  const { validForMs } = await context.soon(what, waiter.granted);
  const hold = { key: attempt.key, owner: attempt.owner, claim, adapter };
  return { hold, lease: { sentAt, answeredAt: context.now(), ttlMs, validForMs } };
}

/** Who is next in the queue of a key and let in when `end` ends what is before it, or lets it in beside that. */
const letInBy =
  (
    before: (wish: Wish) => Promise<Held>,
    end: (wish: Wish, hold: Held) => Promise<unknown>,
    after: (wish: Wish, hold: Held) => Promise<unknown> = async () => {},
  ): Way =>
  async (wish) => {
    const { context, clients, claim, ttlMs } = wish;
    const hold = await before(wish);
    const { attempt, granted, calledAt, adapter } = await join(context, clients[1], hold.key, { claim, ttlMs });
    await end(wish, hold);
    const { validForMs } = await context.soon('a waiter is granted when nothing is in its way', granted);
    const lease = { sentAt: calledAt, answeredAt: context.now(), ttlMs, validForMs };
    await after(wish, hold);
    return { hold: { key: hold.key, owner: attempt.owner, claim, adapter }, lease };
  };

/** The whole of a key, with a lease of this TTL. */
const wholeKey =
  (more: (wish: Wish) => Partial<AcquireAttempt> = () => ({})) =>
  (wish: Wish): Promise<Held> =>
    take({ ...wish, claim: wholeOf(wish.claim) }, more(wish));

/** The queue admits a waiter, or the owner renews what the queue granted. */
export const queueWays: Readonly<Record<string, Way>> = {
  'granted by the queue': letInBy(wholeKey(), release),
  'granted by the queue, after a shorter TTL': letInBy(
    wholeKey(({ context }) => ({ ttlMs: context.timing.ttlMs })),
    release,
  ),
  'granted by the queue, after a forced release': letInBy(wholeKey(), async (wish, hold) =>
    wish.clients[1].forceRelease ? wish.clients[1].forceRelease(hold.key) : release(wish, hold),
  ),
  'granted by the queue, and renewed': async (wish) => {
    const { ttlMs, clients } = wish;
    const begin = letInBy(wholeKey(), release);
    const { hold, lease } = (await begin({ ...wish, ttlMs: shorter(wish) }))!;
    const before = { ...hold, sentAt: lease.sentAt, granted: { status: 'granted', validForMs: lease.validForMs } };
    const again = await renewed(wish, before as Held, 'renew', async () => [await clients[1].renew(hold, ttlMs)]);
    return again && { hold, lease: again };
  },
  async 'granted by the queue, of a free key'(wish) {
    const { context, claim, clients } = wish;
    const waiter = await join(context, clients[1], context.key(), { claim, ttlMs: wish.ttlMs });
    return grantedAtOnce(wish, waiter, 'a free key is granted by the queue');
  },
  async 'asked for again, by the queue'(wish) {
    const { key, owner } = await take(wish, { ttlMs: Math.min(wish.ttlMs, shorter(wish)) });
    const { context, claim, clients, ttlMs } = wish;
    const again = await join(context, clients[0], key, { claim, owner, ttlMs });
    return grantedAtOnce(wish, again, 'the holder that asks the queue has what it holds');
  },
  async 'granted by the queue, when a lease ended'(wish) {
    const { context, clients, claim, ttlMs } = wish;
    const { key } = await take({ ...wish, claim: wholeOf(claim) }, { ttlMs: context.timing.ttlMs });
    const waiter = await join(context, clients[1], key, { claim, ttlMs });
    return grantedAtOnce(wish, waiter, 'a waiter is granted when the lease before it has ended');
  },
  'renewed while others wait in the queue': async (wish) => {
    const { context, clients, claim, ttlMs } = wish;
    const hold = await take(wish, { ttlMs: shorter(wish) });
    const waiter = await join(context, clients[1], hold.key, { claim: wholeOf(claim) });
    const lease = await renewed(wish, hold, 'renew', async () => [await hold.adapter.renew(hold, ttlMs)]);
    await clients[1].release(waiter.attempt);
    return lease && { hold, lease };
  },
};

/** The queue admits a waiter while another owner holds the key. */
export const queueWaysBeside: Readonly<Record<string, Way>> = {
  'granted by the queue, beside others, when who was before it left': async (wish) => {
    const { context, clients, claim } = wish;
    const leaving = new AbortController();
    const way = letInBy(
      async () => {
        const hold = await take(wish, {});
        await join(context, clients[1], hold.key, { claim: wholeOf(claim), signal: leaving.signal });
        return hold;
      },
      async () => leaving.abort(new Error('a waiter of this case leaves')),
      release,
    );
    return way(wish);
  },
};

/** The queue admits readers when the writer downgrades. */
export const queueWaysToRead: Readonly<Record<string, Way>> = {
  'granted by the queue, when a writer downgraded': letInBy(
    wholeKey(),
    ({ context }, hold) => hold.adapter.downgrade!(hold, context.timing.longTtlMs),
    release,
  ),
};
