import { callWithTimeout } from './backend-call.ts';
import type { Context } from './context.ts';
import type { Lease } from './lease.ts';
import { attemptTimeout } from './options.ts';

/** The reason with which a place is withdrawn: an `enqueue` that rejects with it has given the place up. */
export const withdrawn: Error = new Error('the caller no longer waits');

/** A request on its way: a single one, or a place in the backend's queue. Its waiter may leave, and another one take it over. */
export interface Place<Waiter> {
  readonly lease: Lease;
  readonly sentAt: number;
  /** Who gets the lock; `undefined` when nobody waits for the answer any more. */
  waiter: Waiter | undefined;
  /** Gives up the place in the backend's queue; set while there may be one. */
  withdraw: (() => void) | undefined;
}

/** Has the adapter give up the place; where that is not certain, the clean-up follows up. */
export function withdrawPlace(
  { cleanup, settings, timers }: Context,
  lease: Lease,
  grant: Promise<unknown>,
  withdrawal: AbortController,
): void {
  withdrawal.abort(withdrawn);
  const cleanUp = (): void => cleanup.add(lease);
  const now = settings.clock.now();
  const withinMs = attemptTimeout(settings, lease.ttlMs);
  const answered = callWithTimeout(timers, now, withinMs, () => grant, cleanUp);
  cleanup.await(
    answered.then(cleanUp, () => {
      if (lease.unanswered > 0) cleanUp();
    }),
  );
}
