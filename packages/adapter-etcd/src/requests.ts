import type { Etcd3, IKeyValue, IRangeRequest, IRequestOp } from 'etcd3';
import type { Part } from './batch.ts';
import type { CallOptions } from './endpoints.ts';
import type { KeyRange } from './key-layout.ts';

/** Where one owner's place in a lock's queue is. */
export interface QueueKey {
  readonly range: KeyRange;
  readonly key: Buffer;
}

/** A place as it is asked for. */
export interface PutRequest extends QueueKey {
  readonly leaseId: string;
  readonly ttlMs: number;
}

/** A place that stands in etcd. */
export interface Standing {
  /** Its create revision: the fencing token, and the rank in the queue. */
  readonly token: string;
  /** Who is directly ahead of it; nobody for the holder. */
  readonly ahead: IKeyValue | undefined;
  /** The state of etcd that this was true of; to watch what comes after it misses nothing (H37, H83). */
  readonly revision: string;
}

const oldest: IRangeRequest = { sort_target: 'Create', sort_order: 'Ascend', limit: 1, keys_only: true };
const newest: IRangeRequest = { sort_target: 'Create', sort_order: 'Descend', keys_only: true };

// Spelt out, since every acquisition makes one, and copying takes longer.
const newestTwo = ({ key, range_end }: KeyRange): IRangeRequest => ({
  key,
  range_end,
  sort_target: 'Create',
  sort_order: 'Descend',
  keys_only: true,
  limit: 2,
});

// The TTL is for people who look, and for `inspect`; the lock itself hangs on the lease.
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
  if (answer.succeeded) return { token: answer.header.revision, holder: undefined };
  return { holder: answer.responses[0]!.response_range.kvs[0]! };
}

/** Takes a place at the end of the queue; `undefined` when this owner has one already. */
export function takePlace(place: PutRequest): Part<Standing | undefined> {
  const { key, range } = place;
  return {
    // Two places that one transaction made would have the same rank.
    claims: () => [range.key.toString(), key.toString()],
    frees: false,
    txn: {
      compare: [{ key, target: 'Create', result: 'Equal', create_revision: 0 }],
      // The newest is the one just made, and the other one is ahead of it.
      success: [put(place), { request_range: newestTwo(range) }],
    },
    read({ succeeded, responses }, revision) {
      if (!succeeded) return undefined;
      return { token: revision, ahead: responses[1]!.response_range.kvs[1], revision };
    },
  };
}

/** Looks where a place stands now; `undefined` when it is gone. */
export async function lookUp(
  client: Etcd3,
  options: CallOptions,
  { key, range }: { key: Buffer; range: KeyRange },
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
  const [own, others] = answer.responses.map((response) => response.response_range.kvs);
  if (own![0]?.create_revision !== token) return undefined;
  return { token, ahead: others![0], revision: answer.header.revision };
}

/** Brings a held place under another lease. False, with nothing changed, when it is gone or does not hold the lock. */
export async function moveToLease(
  client: Etcd3,
  options: CallOptions,
  place: PutRequest,
  token: string,
): Promise<boolean> {
  const answer = await client.kv.txn(
    {
      compare: [
        { key: place.key, target: 'Create', result: 'Equal', create_revision: token },
        { ...place.range, target: 'Create', result: 'Greater', create_revision: String(BigInt(token) - 1n) },
      ],
      success: [put(place)],
    },
    options,
  );
  return answer.succeeded;
}

/** Deletes a key, and tells whether it was there. */
export async function deleteKey(client: Etcd3, options: CallOptions, key: Buffer): Promise<boolean> {
  return (await client.kv.deleteRange({ key }, options)).deleted !== '0';
}

/** Deletes a holder's key, and tells whether it was there and, if asked, who is at the head of the queue then. */
export function freeHeld(
  { key, range }: { key: Buffer; range: KeyRange },
  look: boolean,
): Part<{ deleted: boolean; head: IKeyValue | undefined }> {
  const free: IRequestOp = { request_delete_range: { key } };
  return {
    claims: () => [key.toString()],
    frees: true,
    txn: { success: look ? [free, { request_range: { ...range, ...oldest } }] : [free] },
    read: ({ responses: [gone, left] }) => ({
      deleted: gone!.response_delete_range.deleted !== '0',
      head: left?.response_range.kvs[0],
    }),
  };
}

/** Deletes a place, and tells whether it had held the lock. */
export async function giveUp(
  client: Etcd3,
  options: CallOptions,
  { key, range }: { key: Buffer; range: KeyRange },
): Promise<boolean> {
  const answer = await client.kv.txn(
    { success: [{ request_range: { ...range, ...oldest } }, { request_delete_range: { key } }] },
    options,
  );
  return answer.responses[0]!.response_range.kvs[0]?.key.equals(key) ?? false;
}

/** The key as it is, if it is there. */
export async function find(client: Etcd3, options: CallOptions, key: Buffer): Promise<IKeyValue | undefined> {
  return (await client.kv.range({ key }, options)).kvs[0];
}

/** The holder of the lock and how many places there are, the holder's among them. */
export async function findHolder(
  client: Etcd3,
  options: CallOptions,
  range: KeyRange,
): Promise<{ holder: IKeyValue; places: number } | undefined> {
  const { kvs, count } = await client.kv.range({ ...range, ...oldest, keys_only: false }, options);
  return kvs[0] === undefined ? undefined : { holder: kvs[0], places: Number(count) };
}

/** Deletes a key if it is still the one that was seen, and tells whether it was. */
export async function deleteSeen(client: Etcd3, options: CallOptions, seen: IKeyValue): Promise<boolean> {
  const answer = await client.kv.txn(
    {
      compare: [{ key: seen.key, target: 'Create', result: 'Equal', create_revision: seen.create_revision }],
      success: [{ request_delete_range: { key: seen.key } }],
    },
    options,
  );
  return answer.succeeded;
}
