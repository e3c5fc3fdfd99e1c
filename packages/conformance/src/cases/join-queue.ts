import type { AcquireAttempt, Granted, LockAdapter } from '@holdfast/lock-core';
import type { Context } from '../context.ts';

/** Somebody in the queue of a backend. */
export interface Waiter {
  readonly attempt: AcquireAttempt;
  readonly calledAt: number;
  readonly adapter: LockAdapter;
  readonly granted: Promise<Granted>;
  /** How often its place was confirmed. */
  readonly confirmed: () => number;
  /** When it was granted, if it was. */
  grantedAt?: number;
  /** What it was told instead. */
  failure?: unknown;
}

/** Queues with a new owner, unless told; resolves at once when the place is confirmed, or the key granted. */
export async function join(
  context: Context,
  adapter: LockAdapter,
  key: string,
  more: Partial<AcquireAttempt> = {},
): Promise<Waiter> {
  let confirmations = 0;
  let onPlace = () => {};
  const placed = new Promise<void>((resolve) => {
    onPlace = resolve;
  });
  const onQueued = () => {
    confirmations++;
    onPlace();
  };
  const attempt = context.attempt(key, { ...more, onQueued });
  const calledAt = context.now();
  const granted = context.begin(adapter.enqueue!(attempt, attempt.signal));
  const waiter: Waiter = { attempt, calledAt, adapter, granted, confirmed: () => confirmations };
  const note = () => {
    waiter.grantedAt = context.now();
  };
  granted.then(note, (error) => {
    waiter.failure = error;
  });
  await context.soon('a waiter is queued', Promise.race([placed, granted.then(() => {})]));
  return waiter;
}

/** Waits until `count` waiters are known to be queued, or for a moment where the backend cannot say. */
export async function queued(context: Context, adapter: LockAdapter, key: string, count: number): Promise<void> {
  // Where the backend has no queue, those who poll are not among its waiters.
  const known = adapter.enqueue === undefined ? undefined : (await adapter.inspect?.(key))?.waiters;
  if (known === undefined) return context.sleep(context.timing.quietMs);
  await context.eventually(
    `${count} waiters are queued`,
    async () => (await adapter.inspect?.(key))?.waiters === count,
  );
}
