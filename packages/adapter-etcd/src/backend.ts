import { performance } from 'node:perf_hooks';
import { type AcquireAttempt, type Claim, type Granted, LockError } from '@holdfast/lock-core';
import type { IKeyValue } from 'etcd3';
import type { Batch } from './batch.ts';
import { claimOf, downgraded, exclusive } from './claim.ts';
import type { ConcurrencyLimit } from './concurrency-limit.ts';
import type { Endpoints } from './endpoints.ts';
import { foreignKey, isRefusal, notSent, wasNeverSent } from './errors.ts';
import { fencingToken, lastToken, mostTokens } from './fencing.ts';
import type { KeyLayout } from './key-layout.ts';
import { deleteSeen } from './key-versions.ts';
import type { KeyedQueue } from './keyed-queue.ts';
import { type Leases, wholeTtl } from './leases.ts';
import type { LockKey, LockKeys } from './lock-keys.ts';
import type { QueueKey } from './requests.ts';
import type { SharedLease } from './shared-lease.ts';
import type { Watches } from './watches.ts';

/** What the operations of an adapter share. */
export interface Backend {
  readonly endpoints: Endpoints;
  readonly layout: KeyLayout;
  readonly leases: Leases;
  readonly lockKeys: LockKeys;
  readonly watches: Watches;
  /** Who waits here for which lock: by its name, then by the waiter's key. */
  readonly waiting: Map<string, Map<string, WaiterHere>>;
  /** Who waits here for a key of this process to go, or to let shared claims pass. */
  readonly blocked: Map<string, Set<() => void>>;
  /** Limits the requests for places to what a busy machine can complete in time. */
  readonly limit: ConcurrencyLimit;
  /** Combines requests that take places with requests that free them. */
  readonly batch: Batch;
  /** Places in one queue are requested one after the other. */
  readonly entering: KeyedQueue;
}

/** A waiter of this process. */
export interface WaiterHere {
  /** The create revision of its key. */
  readonly token: string;
  /** Tells that its key is at the head, or may be; `seen` is the create revision of the key that was seen there. */
  onTurn(seen?: string): void;
}

/** What every request about one owner's key contains. */
export function queueKey({ layout }: Backend, name: string, lockKey: LockKey): QueueKey {
  lockKey.queueKey ??= { range: layout.range(name), key: Buffer.from(lockKey.key) };
  return lockKey.queueKey;
}

/** One acquisition in flight. */
export interface Acquisition {
  readonly calledAt: number;
  readonly ttlMs: number;
  readonly claim: Claim;
  readonly lockKey: LockKey;
  /** Sends the request that makes the key; throws `OwnerReleased` when nobody wants the key any more. */
  send<R>(lease: SharedLease, request: () => Promise<R>): Promise<R>;
  /**
   * Records the grant. The lease of the hold counts from `since`, monotonic ms: from the call by default (H47), later for a waiter.
   * `revision` is that of the last write of the key, `first` the oldest key ahead of it, if there is any.
   */
  granted(
    lease: SharedLease,
    token: string,
    revision: string | undefined,
    first: IKeyValue | undefined,
    since?: number,
  ): Promise<Granted>;
}

/** The owner was released or given up, so it is granted nothing any more, and holds nothing. */
export class OwnerReleased extends Error {
  constructor() {
    super('this owner has been released, or was without an answer for longer than its TTL');
  }
}

/**
 * Runs an acquisition of one owner. Its key counts as wanted from before the request is sent until the outcome is known. Without an
 * answer, the key is deleted: after a TTL, within which the owner may ask again, or at once (H80).
 */
export async function acquiring<T>(
  backend: Backend,
  attempt: AcquireAttempt,
  ownerMayAskAgain: boolean,
  run: (acquisition: Acquisition) => Promise<T>,
): Promise<T> {
  const calledAt = performance.now();
  const { lockKeys, endpoints, layout } = backend;
  if (endpoints.closed !== undefined) throw endpoints.closed;
  const ttlMs = wholeTtl(attempt.ttlMs);
  const lockKey = lockKeys.begin(layout.key(attempt.key, attempt.owner));
  lockKey.claim ??= attempt.claim ?? exclusive;
  const { claim } = lockKey;
  lockKey.tokens ??= Math.min(attempt.tokens, mostTokens);
  if (lockKey.releasing) {
    lockKeys.end(lockKey);
    throw new OwnerReleased();
  }
  let mayExist = false;
  const send: Acquisition['send'] = async (lease, request) => {
    if (lockKey.over) throw new OwnerReleased();
    const mayHaveExisted = mayExist;
    mayExist = true;
    lockKey.sentLease = lease;
    try {
      return await request();
    } catch (error) {
      // A request that was refused, or could not be sent for lack of a connection, leaves nothing to clean up (H116).
      if (isRefusal(error) || wasNeverSent(error)) mayExist = mayHaveExisted;
      throw error;
    }
  };
  const granted: Acquisition['granted'] = async (lease, token, revision, first, since = calledAt) => {
    // The release that was sent in the meantime may have found nothing yet.
    if (lockKey.over) await withdraw(backend, queueKey(backend, attempt.key, lockKey), token);
    // An acquire that is repeated never shortens what a renewal has promised (H113).
    const promised = lockKey.lease === undefined ? 0 : lockKey.expiresAt;
    const until = Math.min(lease.goodUntil, Math.max(since + ttlMs, promised));
    lockKeys.hold(lockKey, lease, token, revision, until);
    // A later call of this owner may have been answered first: its promise goes beyond one TTL from this call.
    const validForMs = Math.min(until, since + Math.max(ttlMs, lease.ttlMs)) - calledAt;
    if (lockKey.granted?.token !== token) lockKey.granted = { token, fencingToken: tokenFor(claim, token, first) };
    return { status: 'granted', fencingToken: lockKey.granted.fencingToken, tokens: lockKey.tokens, validForMs };
  };
  try {
    return await run({ calledAt, ttlMs, claim, lockKey, send, granted });
  } catch (error) {
    const definite = (error instanceof LockError && !error.retryable) || error instanceof OwnerReleased;
    const wantedMs = ownerMayAskAgain && !definite && !lockKey.over ? ttlMs : 0;
    if (!mayExist) throw notSent(error);
    lockKey.expiresAt = Math.max(lockKey.expiresAt, calledAt + wantedMs);
    throw error;
  } finally {
    if (lockKey.calls === 1) lockKey.acquiring = undefined;
    lockKeys.end(lockKey);
  }
}

/**
 * The last exclusive grant before a shared one is not stored anywhere. Readers that hold together therefore have a token between those of
 * the exclusive grants around them: the token of the first reader or, if that was a writer before, the last one that it can have reached.
 */
function tokenFor(claim: Claim, token: string, first: IKeyValue | undefined): bigint {
  if (claim.mode !== 'shared' || first === undefined) return fencingToken(token);
  return claimOf(first) === downgraded ? lastToken(first.create_revision) : fencingToken(first.create_revision);
}

async function withdraw({ endpoints }: Backend, { key }: QueueKey, token: string): Promise<never> {
  await endpoints.call((client, options) => deleteSeen(client, options, { key, token }));
  throw new OwnerReleased();
}

/** Refuses to wait for a key that never expires. */
export function assertLeased(name: string, { key, lease }: { key: Buffer; lease: string }): void {
  if (lease === '0') throw foreignKey(name, key);
}

/** Wakes the waiters of this process behind one of its own keys that is gone, or that now admits them. */
export function wakeBlocked({ blocked }: Backend, key: string): void {
  for (const wake of [...(blocked.get(key) ?? [])]) wake();
}
