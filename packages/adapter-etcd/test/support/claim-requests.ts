import { randomBytes } from 'node:crypto';
import type { AcquireAttempt, Claim, Granted, HoldRef, LockAdapter } from '@holdfast/lock-core';

export const exclusive: Claim = { mode: 'exclusive' };
export const shared: Claim = { mode: 'shared' };
export const permits = (count: number, limit: number): Claim => ({ mode: 'permits', permits: count, limit });

const never = new AbortController().signal;

/** One request with a new owner. */
export const claimed = (key: string, claim: Claim | undefined, more: Partial<AcquireAttempt> = {}): AcquireAttempt => ({
  key,
  owner: randomBytes(16).toString('hex'),
  ttlMs: 30_000,
  tokens: 1,
  claim,
  signal: never,
  ...more,
});

/** A place in the queue that stands. */
export interface Waiter extends HoldRef {
  readonly granted: Promise<Granted>;
  /** Whether it is granted by now. */
  isGranted(): boolean;
  leave(): Promise<void>;
}

/** Enqueues a new owner; resolves once its place stands, or is granted. */
export function enqueue(adapter: LockAdapter, key: string, claim?: Claim): Promise<Waiter> {
  return new Promise((resolve, reject) => {
    const abort = new AbortController();
    let isGranted = false;
    const waiter = (): Waiter => ({
      ...{ key, owner: attempt.owner, claim, granted },
      isGranted: () => isGranted,
      async leave() {
        abort.abort(new Error('left'));
        await granted.catch(() => {});
      },
    });
    const attempt = claimed(key, claim, { onQueued: () => resolve(waiter()) });
    const granted = adapter.enqueue!(attempt, abort.signal);
    granted.then(() => {
      isGranted = true;
      resolve(waiter());
    }, reject);
  });
}

/** Takes what can be granted now. */
export async function take(adapter: LockAdapter, key: string, claim?: Claim): Promise<HoldRef & Granted> {
  const attempt = claimed(key, claim);
  const outcome = await adapter.tryAcquire(attempt);
  if (outcome.status !== 'granted') throw new Error(`busy: ${JSON.stringify(claim)}`);
  return { key, owner: attempt.owner, claim, ...outcome };
}

/** Whether a new owner is told that the key is busy. */
export const isBusy = async (adapter: LockAdapter, key: string, claim: Claim): Promise<boolean> =>
  (await adapter.tryAcquire(claimed(key, claim))).status === 'busy';

let keys = 0;
/** A key that no other test uses. */
export const newKey = (): string => `claims-${keys++}-${randomBytes(4).toString('hex')}`;

/** How many hold a key, and how many wait for it. */
export async function counts(adapter: LockAdapter, key: string): Promise<[holders: number, waiters: number]> {
  const info = await adapter.inspect!(key);
  return info === undefined ? [0, 0] : [info.holders!, info.waiters!];
}

/** Looks until it is so. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10));
}
