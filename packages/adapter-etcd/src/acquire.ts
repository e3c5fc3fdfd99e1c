import { type AcquireAttempt, type AcquireOutcome, LockError } from '@holdfast/lock-core';
import type { IKeyValue } from 'etcd3';
import { type Acquisition, acquiring, assertLeased, type Backend, OwnerReleased, queueKey } from './backend.ts';
import { claimOf, conflict, decodeValue } from './claim.ts';
import { wholeTtl } from './leases.ts';
import { blockersIn } from './position.ts';
import { move } from './renewal.ts';
import { find, type PutRequest, takeIfFree } from './requests.ts';

/** Requests the lock once. */
export async function tryAcquire(backend: Backend, attempt: AcquireAttempt): Promise<AcquireOutcome> {
  assertWanted(attempt);
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
  const { ttlMs, claim, lockKey, send, granted } = acquisition;
  return leases.under(ttlMs, async (lease): Promise<AcquireOutcome> => {
    const request = { ...queueKey(backend, attempt.key, lockKey), leaseId: lease.id, ttlMs, claim };
    let first: IKeyValue | undefined;
    for (let seen: string | undefined; ; ) {
      assertWanted(attempt);
      const taken = await limit(() =>
        send(lease, () => endpoints.call((client, options) => takeIfFree(client, options, request, seen))),
      );
      if (taken.token !== undefined) return granted(lease, taken.token, taken.token, first);
      const { keys } = taken;
      const isOwn = keys.some(({ key }) => key.equals(request.key));
      first = keys[0]?.key.equals(request.key) ? undefined : keys[0];
      if (!fits(attempt.key, request, keys)) return { status: 'busy' };
      if (isOwn) return askAgain(backend, attempt, acquisition, first);
      // Compatible with all keys that were there. If somebody came in between, that one has made progress.
      seen = taken.revision;
    }
  });
}

/** Whether the claim is compatible with the existing keys (for an exclusive claim, only that of the holder is given). */
function fits(name: string, { key, claim }: PutRequest, keys: readonly IKeyValue[]): boolean {
  const [holder] = keys;
  if (holder !== undefined) assertLeased(name, holder);
  const own = keys.findIndex((one) => one.key.equals(key));
  const refusal = holder && own < 0 && conflict(name, claim, claimOf(holder));
  if (refusal) throw refusal;
  return blockersIn((own < 0 ? keys : keys.slice(0, own)).toReversed(), claim).length === 0;
}

/**
 * This owner has the lock already, from a call whose answer was lost (H12). Its lease is extended, and never shortened: the call
 * may be a late copy of one that was followed by a renewal (H113).
 */
async function askAgain(
  backend: Backend,
  attempt: AcquireAttempt,
  { calledAt, ttlMs, lockKey, granted }: Acquisition,
  first: IKeyValue | undefined,
): Promise<AcquireOutcome> {
  const { endpoints, leases } = backend;
  // Its key exists, whatever the outcome of the next calls.
  lockKey.expiresAt = Math.max(lockKey.expiresAt, calledAt + ttlMs);
  const { key } = queueKey(backend, attempt.key, lockKey);
  const own = await endpoints.call((client, options) => find(client, options, key));
  if (own === undefined) return { status: 'busy' };
  const longest = Math.max(ttlMs, wholeTtl(decodeValue(own.value).ttlMs));
  return leases.under(longest, async (lease): Promise<AcquireOutcome> => {
    if (own.lease === lease.id) return granted(lease, own.create_revision, own.mod_revision, first);
    const moved = await move(backend, attempt.key, lockKey, lease, own);
    return moved === undefined ? { status: 'busy' } : granted(lease, moved.token, moved.revision, first);
  });
}

/** Nobody wants the answer any more, and this attempt has left nothing in etcd: core has nothing to clean up. */
function assertWanted({ key, signal }: AcquireAttempt): void {
  if (!signal.aborted) return;
  throw new LockError('LOCK_BACKEND', 'the request was given up before it was sent to etcd', {
    key,
    cause: signal.reason,
    notSent: true,
  });
}
