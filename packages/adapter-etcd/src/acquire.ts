import type { AcquireAttempt, AcquireOutcome } from '@holdfast/lock-core';
import { type Acquisition, acquiring, assertLeased, type Backend, OwnerReleased, queueKey } from './backend.ts';
import { wholeTtl } from './leases.ts';
import { move } from './renewal.ts';
import { find, takeIfFree } from './requests.ts';

/** Asks once for the lock. */
export async function tryAcquire(backend: Backend, attempt: AcquireAttempt): Promise<AcquireOutcome> {
  attempt.signal.throwIfAborted();
  try {
    return await acquiring(backend, attempt, true, (acquisition) => {
      const asking = ask(backend, attempt, acquisition);
      const { lockKey } = acquisition;
      lockKey.acquiring = lockKey.acquiring === undefined ? asking : Promise.allSettled([lockKey.acquiring, asking]);
      return asking;
    });
  } catch (error) {
    // The release went out first. This owner holds nothing, and never will.
    if (error instanceof OwnerReleased) return { status: 'busy' };
    throw error;
  }
}

function ask(backend: Backend, attempt: AcquireAttempt, acquisition: Acquisition): Promise<AcquireOutcome> {
  const { endpoints, leases, limit } = backend;
  const { ttlMs, lockKey, send, granted } = acquisition;
  return leases.under(ttlMs, async (lease): Promise<AcquireOutcome> => {
    const request = { ...queueKey(backend, attempt.key, lockKey), leaseId: lease.id, ttlMs };
    const taken = await limit(() =>
      send(lease, () => endpoints.call((client, options) => takeIfFree(client, options, request))),
    );
    if (taken.holder === undefined) return granted(lease, taken.token, taken.token);
    assertLeased(attempt.key, taken.holder);
    if (!taken.holder.key.equals(request.key)) return { status: 'busy' };
    return askAgain(backend, attempt, acquisition);
  });
}

/**
 * This owner has the lock already, from a call whose answer was lost (H12). Its lease is extended, and never shortened: the call
 * may be a late copy of one that was followed by a renewal (H113).
 */
async function askAgain(
  backend: Backend,
  attempt: AcquireAttempt,
  { calledAt, ttlMs, lockKey, granted }: Acquisition,
): Promise<AcquireOutcome> {
  const { endpoints, leases } = backend;
  // Its key is there, whatever becomes of the next calls.
  lockKey.expiresAt = Math.max(lockKey.expiresAt, calledAt + ttlMs);
  const { key } = queueKey(backend, attempt.key, lockKey);
  const own = await endpoints.call((client, options) => find(client, options, key));
  if (own === undefined) return { status: 'busy' };
  const longest = Math.max(ttlMs, wholeTtl(Number(own.value.toString()) || 0));
  return leases.under(longest, async (lease): Promise<AcquireOutcome> => {
    if (own.lease === lease.id) return granted(lease, own.create_revision, own.mod_revision);
    const moved = await move(backend, attempt.key, lockKey, lease, { from: own });
    return moved === undefined ? { status: 'busy' } : granted(lease, moved.token, moved.revision);
  });
}
