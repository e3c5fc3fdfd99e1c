import { type AcquireAttempt, type Granted, LockError } from '@holdfast/lock-core';
import type { Batch } from './batch.ts';
import type { ConcurrencyLimit } from './concurrency-limit.ts';
import type { Endpoints } from './endpoints.ts';
import { foreignKey } from './errors.ts';
import type { KeyLayout } from './key-layout.ts';
import type { KeyedQueue } from './keyed-queue.ts';
import { type Leases, wholeTtl } from './leases.ts';
import type { LockKey, LockKeys } from './lock-keys.ts';
import type { QueueKey } from './requests.ts';
import type { SharedLease } from './shared-lease.ts';
import type { Watches } from './watches.ts';

/** What the operations of an adapter share. */
export interface Backend {
  readonly endpoints: Endpoints;
  readonly keys: KeyLayout;
  readonly leases: Leases;
  readonly places: LockKeys;
  readonly watches: Watches;
  /** Who waits here for which lock: by its name, then by the key of his place, told that he is at the head. */
  readonly waiting: Map<string, Map<string, (token: string) => void>>;
  /** Not more requests for places at a time than a busy machine gets done in time. */
  readonly limit: ConcurrencyLimit;
  /** Taking a place and freeing one share transactions. */
  readonly batch: Batch;
  /** Places in one queue are asked for one after the other. */
  readonly entering: KeyedQueue;
}

/** What a request about one owner's place says in any case. */
export function queueKey({ keys }: Backend, name: string, place: LockKey): QueueKey {
  place.keys ??= { range: keys.range(name), key: Buffer.from(place.key) };
  return place.keys;
}

/** One acquisition under way. */
export interface Acquisition {
  readonly calledAt: number;
  readonly ttlMs: number;
  readonly place: LockKey;
  /** To be called right before the request that makes the key goes out; throws when nobody wants it any more. */
  sending(): void;
  /** Takes the grant in. The TTL counts from `since`, monotonic ms: default the call (H47), later for one that waited. */
  granted(lease: SharedLease, token: string, since?: number): Granted;
}

/**
 * Runs an acquisition of one owner. From before the send until the outcome is known its key counts as wanted. With no answer
 * the key is deleted: after a TTL, in which the owner may ask again, or at once (H80).
 */
export async function acquiring<T>(
  backend: Backend,
  attempt: AcquireAttempt,
  ownerMayAskAgain: boolean,
  run: (acquisition: Acquisition) => Promise<T>,
): Promise<T> {
  const calledAt = performance.now();
  const { places, endpoints, keys } = backend;
  if (endpoints.closed !== undefined) throw endpoints.closed;
  const key = keys.place(attempt.key, attempt.owner);
  const deletion = places.get(key)?.deletion;
  if (deletion !== undefined) await deletion;
  const ttlMs = wholeTtl(attempt.ttlMs);
  const place = places.begin(key);
  const granted = (lease: SharedLease, token: string, since = calledAt): Granted => {
    assertWanted(place);
    const until = Math.min(lease.goodUntil, since + ttlMs);
    // The key was made some time before this, so a look from now on shows it.
    places.hold(place, lease, token, performance.now(), until);
    return { status: 'granted', fencingToken: BigInt(token), validForMs: until - calledAt };
  };
  let sent = false;
  const sending = (): void => {
    assertWanted(place);
    sent = true;
  };
  try {
    return await run({ calledAt, ttlMs, place, sending, granted });
  } catch (error) {
    const definite = error instanceof LockError && !error.retryable;
    const wantedMs = ownerMayAskAgain && !definite && !place.over ? ttlMs : 0;
    if (sent) place.expiresAt = Math.max(place.expiresAt, calledAt + wantedMs);
    throw error;
  } finally {
    places.end(place);
  }
}

/** A deletion without an answer may still come in, so this owner gets nothing any more. */
function assertWanted(place: LockKey): void {
  if (place.over) throw new Error('this owner has been released, or was without an answer for longer than its TTL');
}

/** Refuses to wait for a key that never goes. */
export function assertLeased(name: string, { key, lease }: { key: Buffer; lease: string }): void {
  if (lease === '0') throw foreignKey(name, key);
}
