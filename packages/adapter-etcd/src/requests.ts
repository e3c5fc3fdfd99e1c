import type { Etcd3, ICompare, IKeyValue, IRangeRequest, IRequestOp } from 'etcd3';
import { deletedBy, keysFound, revisionIn, revisionOf, secondsIn, succeeded } from './answers.ts';
import type { CallOptions } from './authentication.ts';
import type { Part } from './batch.ts';
import type { KeyRange } from './key-layout.ts';
import { createdIn } from './key-versions.ts';

/** The key of one owner, and the range of all keys of the lock. */
export interface QueueKey {
  readonly range: KeyRange;
  readonly key: Buffer;
}

/** A key that is to be written. */
export interface PutRequest extends QueueKey {
  readonly leaseId: string;
  readonly ttlMs: number;
}

/** A place in the queue as it is in etcd. */
export interface Standing {
  /** Its create revision: the rank in the queue, and what the fencing token is made of. */
  readonly token: string;
  /** The key directly ahead; none for the holder. */
  readonly ahead: IKeyValue | undefined;
  /** The revision of etcd in which this was true. A watch of what comes after it misses nothing (H37, H83). */
  readonly revision: string;
}

const oldest: IRangeRequest = { sort_target: 'Create', sort_order: 'Ascend', limit: 1, keys_only: true };
const newest: IRangeRequest = { sort_target: 'Create', sort_order: 'Descend', keys_only: true };

// Spelt out instead of copied, which is slower: every acquisition makes one.
const newestTwo = ({ key, range_end }: KeyRange): IRangeRequest => ({
  key,
  range_end,
  sort_target: 'Create',
  sort_order: 'Descend',
  keys_only: true,
  limit: 2,
});

// The TTL is for people who look, for `inspect`, and for an acquire that is repeated. The lock itself depends on the lease.
const put = ({ key, leaseId, ttlMs }: PutRequest): IRequestOp => ({
  request_put: { key, value: Buffer.from(String(ttlMs)), lease: leaseId },
});

/** Takes the lock if it has neither holder nor waiter; else tells who holds it. */
export async function takeIfFree(
  client: Etcd3,
  options: CallOptions,
  place: PutRequest,
): Promise<{ token: string; holder: undefined } | { holder: IKeyValue }> {
  const answer = await client.kv.txn(
    {
      // Of a range with no keys at all this is true, and of no other.
      compare: [{ ...place.range, target: 'Create', result: 'Equal', create_revision: 0 }],
      success: [put(place)],
      failure: [{ request_range: { ...place.range, ...oldest } }],
    },
    options,
  );
  if (succeeded(answer)) return { token: revisionOf(answer), holder: undefined };
  const [holder] = keysFound(answer, 0);
  revisionIn(holder?.create_revision, 'the revision of the holder');
  return { holder: holder! };
}

/** Takes a place at the end of the queue; `undefined` when this owner has one already. */
export function takePlace(place: PutRequest): Part<Standing | undefined> {
  const { key, range } = place;
  return {
    // Two places that one transaction made would have the same rank.
    claims: () => [range.key.toString(), key.toString()],
    frees: false,
    txn: {
      compare: [createdIn(key, 0)],
      // The newest is the one just made, and the other one is ahead of it.
      success: [put(place), { request_range: newestTwo(range) }],
    },
    read(answer, revision) {
      if (!succeeded(answer)) return undefined;
      return { token: revision, ahead: keysFound(answer, 1)[1], revision };
    },
  };
}

/** Looks where a place stands now; `undefined` when it is gone. */
export async function lookUp(
  client: Etcd3,
  options: CallOptions,
  { key, range }: QueueKey,
  token: string,
): Promise<Standing | undefined> {
  const before = String(BigInt(token) - 1n);
  const answer = await client.kv.txn(
    {
      success: [
        { request_range: { key, keys_only: true } },
        { request_range: { ...range, ...newest, limit: 1, max_create_revision: before } },
      ],
    },
    options,
  );
  const [own] = keysFound(answer, 0);
  if (own?.create_revision !== token) return undefined;
  return { token, ahead: keysFound(answer, 1)[0], revision: revisionOf(answer) };
}

/**
 * Moves a key to another lease, in its place, and answers its new revision; `undefined`, with nothing changed, when the key is gone,
 * has been written since `revision`, or should hold the lock and does not. Thus a late copy of this request changes nothing (H113).
 */
export async function moveToLease(
  client: Etcd3,
  options: CallOptions,
  place: PutRequest,
  { token, revision, holds }: { token: string; revision: string; holds: boolean },
): Promise<string | undefined> {
  const { key, range } = place;
  const isOldest: ICompare = {
    ...range,
    target: 'Create',
    result: 'Greater',
    create_revision: String(BigInt(token) - 1n),
  };
  const answer = await client.kv.txn(
    {
      compare: [
        createdIn(key, token),
        { key, target: 'Mod', result: 'Equal', mod_revision: revision },
        ...(holds ? [isOldest] : []),
      ],
      success: [put(place)],
    },
    options,
  );
  return succeeded(answer) ? revisionOf(answer) : undefined;
}

/** Deletes a holder's key, and tells whether it was there and, if asked, who is at the head of the queue then. */
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

/** Deletes a key if it is still the one that was seen; tells whether it held the lock, `undefined` if it is another one by now. */
export async function giveUp(
  client: Etcd3,
  options: CallOptions,
  { key, range }: QueueKey,
  token: string,
): Promise<boolean | undefined> {
  const answer = await client.kv.txn(
    {
      compare: [createdIn(key, token)],
      success: [{ request_range: { ...range, ...oldest } }, { request_delete_range: { key } }],
    },
    options,
  );
  if (!succeeded(answer)) return undefined;
  return keysFound(answer, 0)[0]?.key.equals(key) ?? false;
}

/** The key as it is, if it exists. */
export async function find(client: Etcd3, options: CallOptions, key: Buffer): Promise<IKeyValue | undefined> {
  return (await client.kv.range({ key }, options)).kvs[0];
}

/** The holder of the lock and how many keys it has, the holder's among them. */
export async function findHolder(
  client: Etcd3,
  options: CallOptions,
  range: KeyRange,
): Promise<{ holder: IKeyValue; keys: number } | undefined> {
  const { kvs, count } = await client.kv.range({ ...range, ...oldest, keys_only: false }, options);
  if (kvs[0] === undefined) return undefined;
  revisionIn(kvs[0].create_revision, 'the revision of the holder');
  return { holder: kvs[0], keys: secondsIn(count, 'the number of keys') };
}
