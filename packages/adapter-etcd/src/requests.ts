import type { Claim } from '@holdfast/lock-core';
import type { Etcd3, ICompare, IKeyValue, IRangeRequest, IRequestOp } from 'etcd3';
import { deletedBy, keysFound, revisionIn, revisionOf, secondsIn, succeeded } from './answers.ts';
import type { CallOptions } from './authentication.ts';
import type { Part } from './batch.ts';
import { encodeValue, type KeyValue } from './claim.ts';
import type { KeyRange } from './key-layout.ts';
import { createdIn } from './key-versions.ts';

/** The key of one owner, and the range of all keys of the lock. */
export interface QueueKey {
  readonly range: KeyRange;
  readonly key: Buffer;
}

/** A key to be written. */
export interface PutRequest extends QueueKey, KeyValue {
  readonly leaseId: string;
}

/** A place in the queue as it is in etcd. */
export interface Standing {
  /** Its create revision: its rank in the queue. The fencing token is made of it. */
  readonly token: string;
  /** The keys ahead, the newest first; for an exclusive claim, the one directly ahead. */
  readonly ahead: readonly IKeyValue[];
  /** The revision of etcd in which this was true. A watch from the next revision on misses nothing (H37, H83). */
  readonly revision: string;
}

const oldest: IRangeRequest = { sort_target: 'Create', sort_order: 'Ascend', limit: 1, keys_only: true };
// Written out, because a copy is slower and every acquisition needs one. `limit` 0 means all.
const newestOf = ({ key, range_end }: KeyRange, limit: number): IRangeRequest => ({
  key,
  range_end,
  sort_target: 'Create',
  sort_order: 'Descend',
  limit,
});

// The lock itself depends on the lease alone, and its place in the queue on the create revision.
const put = (request: PutRequest): IRequestOp => ({
  request_put: { key: request.key, value: encodeValue(request), lease: request.leaseId },
});

/**
 * Takes the lock if it has no holders and no waiters except those in `seen`, which the caller found to be compatible. Otherwise, returns
 * its keys, the oldest first; for an exclusive claim, only the oldest.
 */
export async function takeIfFree(
  client: Etcd3,
  options: CallOptions,
  place: PutRequest,
  seen?: string,
): Promise<{ token: string } | { token: undefined; keys: readonly IKeyValue[]; revision: string }> {
  const free: ICompare =
    seen === undefined
      ? // True only for a range without any keys.
        { ...place.range, target: 'Create', result: 'Equal', create_revision: 0 }
      : // A key that is new, or has another claim now, has a later revision. A key that is gone blocks nobody.
        { ...place.range, target: 'Mod', result: 'Less', mod_revision: String(BigInt(seen) + 1n) };
  const limit = place.claim.mode === 'exclusive' ? 1 : 0;
  const found: IRequestOp = { request_range: { ...place.range, ...oldest, keys_only: false, limit } };
  const answer = await client.kv.txn({ compare: [free], success: [put(place)], failure: [found] }, options);
  if (succeeded(answer)) return { token: revisionOf(answer) };
  const keys = keysFound(answer, 0);
  revisionIn(keys[0]?.create_revision, 'the revision of the holder');
  return { token: undefined, keys, revision: revisionOf(answer) };
}

/** Takes a place at the end of the queue; `undefined` when this owner has one already. */
export function takePlace(place: PutRequest): Part<Standing | undefined> {
  const { key, range, claim } = place;
  return {
    // Two places from one transaction would have the same rank.
    claims: () => [range.key.toString(), key.toString()],
    frees: false,
    txn: {
      compare: [createdIn(key, 0)],
      // The newest is the one just created, and the others are ahead of it.
      success: [put(place), { request_range: newestOf(range, claim.mode === 'exclusive' ? 2 : 0) }],
    },
    read(answer, revision) {
      if (!succeeded(answer)) return undefined;
      return { token: revision, ahead: keysFound(answer, 1).slice(1), revision };
    },
  };
}

/** Looks where a place stands now; `undefined` when it is gone. */
export async function lookUp(
  client: Etcd3,
  options: CallOptions,
  { key, range }: QueueKey,
  token: string,
  claim: Claim,
): Promise<Standing | undefined> {
  const ahead = { request_range: aheadOf(range, token, claim) };
  const answer = await client.kv.txn({ success: [{ request_range: { key, keys_only: true } }, ahead] }, options);
  const [own] = keysFound(answer, 0);
  if (own?.create_revision !== token) return undefined;
  return { token, ahead: keysFound(answer, 1), revision: revisionOf(answer) };
}

const aheadOf = (range: KeyRange, token: string, { mode }: Claim): IRangeRequest => ({
  ...newestOf(range, mode === 'exclusive' ? 1 : 0),
  max_create_revision: String(BigInt(token) - 1n),
});

/**
 * Moves a key to another lease, or changes its claim, without changing its place, and returns its new revision. If the key is gone or has
 * been written since `revision`, it changes nothing and returns `undefined`, so a late copy of this request has no effect (H113).
 */
export async function moveToLease(
  client: Etcd3,
  options: CallOptions,
  place: PutRequest,
  { token, revision }: { token: string; revision: string },
): Promise<string | undefined> {
  const { key } = place;
  const unchanged: ICompare = { key, target: 'Mod', result: 'Equal', mod_revision: revision };
  const answer = await client.kv.txn({ compare: [createdIn(key, token), unchanged], success: [put(place)] }, options);
  return succeeded(answer) ? revisionOf(answer) : undefined;
}

/** Deletes a holder's key, and returns whether it existed and, if requested, which key is then at the head of the queue. */
export function freeHeld(
  { key, range }: QueueKey,
  token: string,
  look: boolean,
): Part<{ deleted: boolean; head: IKeyValue | undefined }> {
  const free: IRequestOp = { request_delete_range: { key } };
  const head: IRequestOp[] = look ? [{ request_range: { ...range, ...oldest } }] : [];
  return {
    claims: () => [key.toString()],
    frees: true,
    txn: { compare: [createdIn(key, token)], success: [free, ...head], failure: head },
    read(answer) {
      const deleted = succeeded(answer) && deletedBy(answer, 0) > 0;
      return { deleted, head: look ? keysFound(answer, succeeded(answer) ? 1 : 0)[0] : undefined };
    },
  };
}

/** Deletes a key if it is still the one that was seen, and returns the keys ahead of it; `undefined` if it is a different one by now. */
export async function giveUp(
  client: Etcd3,
  options: CallOptions,
  { key, range }: QueueKey,
  token: string,
  claim: Claim,
): Promise<readonly IKeyValue[] | undefined> {
  const ahead = { request_range: aheadOf(range, token, claim) };
  const answer = await client.kv.txn(
    { compare: [createdIn(key, token)], success: [ahead, { request_delete_range: { key } }] },
    options,
  );
  return succeeded(answer) ? keysFound(answer, 0) : undefined;
}

/** The key as it is, if it exists. */
export async function find(client: Etcd3, options: CallOptions, key: Buffer): Promise<IKeyValue | undefined> {
  return (await client.kv.range({ key }, options)).kvs[0];
}

/** The oldest keys of a lock, the first of which holds it, and the number of all its keys. */
export async function findOldest(
  client: Etcd3,
  options: CallOptions,
  range: KeyRange,
  limit: number,
): Promise<{ keys: readonly IKeyValue[]; count: number }> {
  const { kvs, count } = await client.kv.range({ ...range, ...oldest, keys_only: false, limit }, options);
  if (kvs[0] !== undefined) revisionIn(kvs[0].create_revision, 'the revision of the holder');
  return { keys: kvs, count: secondsIn(count, 'the number of keys') };
}
