import type { AcquireAttempt, Claim, LockAdapter, RenewOutcome } from '@holdfast/lock-core';
import type { Context } from '../context.ts';
import { type Held, takeClaim } from './claim-holds.ts';
import { type Promised, renewedOf } from './promised-leases.ts';

/** A hold whose lease of this TTL has just begun. */
export interface Begun {
  readonly hold: Pick<Held, 'key' | 'owner' | 'claim' | 'adapter'>;
  readonly lease: Promised;
}

export interface Wish {
  readonly context: Context;
  readonly clients: readonly [LockAdapter, LockAdapter];
  readonly claim: Claim;
  readonly ttlMs: number;
}

/** A way to such a hold; gives nothing when the machine stalled for so long that the lease before it was over, by right. */
export type Way = (wish: Wish) => Promise<Begun | undefined>;

export const take = (
  { context, clients, claim }: Wish,
  more: Partial<AcquireAttempt>,
  key: string = context.key(),
): Promise<Held> => takeClaim(context, clients[0], key, claim, more);

/** Renews, in one way or another, and gives the lease that was promised; nothing when the hold was over by then. */
export async function renewed(
  { context, ttlMs }: Wish,
  { sentAt: since, granted }: Held,
  by: string,
  ask: () => Promise<readonly RenewOutcome[]>,
): Promise<Promised | undefined> {
  const sentAt = context.now();
  const answers = await ask();
  const answeredAt = context.now();
  // It may be over by now, or the lease that it was renewed for.
  if (answeredAt >= Math.min(since + granted.validForMs, sentAt + ttlMs / 2)) return undefined;
  const [validForMs] = answers.map((answer) => renewedOf(answer, by).validForMs);
  return { sentAt, answeredAt, ttlMs, validForMs: validForMs! };
}

/** Gives back what was held before. */
export const release = (_: Wish, hold: Held): Promise<unknown> => hold.adapter.release(hold);

/** The TTL of a lease that is renewed with a longer one. */
export const shorter = ({ context }: Wish): number => context.timing.leaseMs;
/** The TTL of a lease that is renewed with a shorter one. */
export const longer = ({ context, ttlMs }: Wish): number => 2 * ttlMs + context.timing.longTtlMs;

/** The lease of a hold that was granted now. */
export const leaseOf = ({ context, ttlMs }: Wish, { granted, sentAt }: Held): Promised => ({
  sentAt,
  answeredAt: context.now(),
  ttlMs,
  validForMs: granted.validForMs,
});

/** Goes a way again until no stall of the machine has ended the hold meanwhile. */
export async function begun(way: Way, wish: Wish): Promise<Begun> {
  return wish.context.eventually('a hold is renewed before it is over', () => way(wish), 4 * wish.context.boundMs);
}
