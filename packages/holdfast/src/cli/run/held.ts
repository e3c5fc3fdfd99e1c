import type { Lock, LockGroup } from '@holdfast/lock-core';

/** The locks that a command runs under, one for each of its keys. */
export type Held = Pick<LockGroup, 'locks' | 'signal' | 'state'>;

/** A single lock in the same form. */
export const heldOne = (lock: Lock): Held => ({
  locks: [lock],
  get signal() {
    return lock.signal;
  },
  get state() {
    return lock.state;
  },
});

/** The time until the first of the leases ends. */
export function remainingMs({ locks }: Held): number {
  let least = Number.POSITIVE_INFINITY;
  for (const lock of locks) least = Math.min(least, lock.remainingMs);
  return least;
}
