import { type Claim, LockError } from '@holdfast/lock-core';
import type { IKeyValue } from 'etcd3';

/** The value of a key: for people who look, for an acquire that is repeated, and for the waiters behind it. */
export interface KeyValue {
  readonly ttlMs: number;
  readonly claim: Claim;
}

export const exclusive: Claim = { mode: 'exclusive' };
const shared: Claim = { mode: 'shared' };
/** Set for a hold that was exclusive before. */
export const downgraded: Claim = { mode: 'shared' };

/** The TTL alone for an exclusive claim, as in version 0.1.0. */
export function encodeValue({ ttlMs, claim }: KeyValue): Buffer {
  if (claim.mode === 'permits') return Buffer.from(`${ttlMs} ${claim.permits} of ${claim.limit}`);
  if (claim === downgraded) return Buffer.from(`${ttlMs} downgraded`);
  return Buffer.from(claim.mode === 'shared' ? `${ttlMs} shared` : String(ttlMs));
}

/** A key of another program, such as etcd's own mutex, counts as exclusive. */
export function decodeValue(value: Buffer): KeyValue {
  const form = /^(\d+)(?: (shared|downgraded|(\d+) of (\d+)))?$/;
  const [match, ttlMs, kind, permits, limit] = form.exec(value.toString()) ?? [];
  if (match === undefined) return { ttlMs: 0, claim: exclusive };
  if (kind === 'downgraded') return { ttlMs: Number(ttlMs), claim: downgraded };
  if (limit === undefined) return { ttlMs: Number(ttlMs), claim: kind === undefined ? exclusive : shared };
  return { ttlMs: Number(ttlMs), claim: { mode: 'permits', permits: Number(permits), limit: Number(limit) } };
}

export const claimOf = ({ value }: IKeyValue): Claim => decodeValue(value).claim;

/** Exclusive and shared claims are one way to use a key; each limit of permits is another. */
export const limitOf = (claim: Claim): number | undefined => (claim.mode === 'permits' ? claim.limit : undefined);

/** Why a claim does not fit the way in which the key is used, if it does not. */
export function conflict(name: string, asked: Claim, found: Claim): LockError | undefined {
  if (limitOf(asked) === limitOf(found)) return undefined;
  return new LockError(
    'LOCK_INVALID_ARGUMENT',
    `lock ${JSON.stringify(name)} on etcd is in use ${use(found)}, and cannot be used ${use(asked)} at the same time: ` +
      'use a key in one way, with one limit, everywhere',
    { key: name, retryable: false },
  );
}

function use(claim: Claim): string {
  if (claim.mode === 'permits') return `as a semaphore with a limit of ${claim.limit}`;
  return `as a lock (${claim.mode})`;
}
