import { isLockError, type Lock, type Locks } from 'holdfast';

/**
 * Runs `body` with one of `count` slots that all processes share: whichever comes free first. A slot is a lock, so the one of a
 * process that dies comes back when its lease ends.
 */
export async function withSlot<T>(
  locks: Locks,
  pool: string,
  count: number,
  body: (slot: Lock) => Promise<T>,
): Promise<T> {
  const slot = await takeAny(
    locks,
    Array.from({ length: count }, (_, i) => `slot:${pool}:${i}`),
  );
  try {
    return await body(slot);
  } finally {
    await slot.release();
  }
}

/** Waits for all of the keys and keeps the first that is granted; what is granted beside it goes back at once. */
async function takeAny(locks: Locks, keys: readonly string[]): Promise<Lock> {
  const enough = new AbortController();
  let first: Lock | undefined;
  const asked = keys.map(async (key) => {
    const lock = await locks.acquire(key, { signal: enough.signal, owner: locks.createOwner() });
    if (first === undefined) {
      first = lock;
      enough.abort();
    } else await lock.release();
    return lock;
  });
  const outcomes = await Promise.allSettled(asked);
  if (first !== undefined) return first;
  throw outcomes.find(isFailure)?.reason;
}

const isFailure = (outcome: PromiseSettledResult<Lock>): outcome is PromiseRejectedResult =>
  outcome.status === 'rejected' && isLockError(outcome.reason);
