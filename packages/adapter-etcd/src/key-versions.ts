import type { Etcd3, ICompare } from 'etcd3';
import { keysFound, succeeded } from './answers.ts';
import type { CallOptions } from './authentication.ts';

/** A key with the create revision that it must have for a request to touch it. */
export interface KeyVersion {
  readonly key: Buffer;
  readonly token: string;
}

/** Compares: the key was created in this revision; with 0, it does not exist. */
export const createdIn = (key: Buffer, token: string | number): ICompare => ({
  key,
  target: 'Create',
  result: 'Equal',
  create_revision: token,
});

/** How many keys one transaction may check: etcd allows 128 operations by default. */
export const mostChecked = 128;

/**
 * Asks the leader, in one transaction, which keys still exist as they were created. A key that was the oldest of its lock holds the lock
 * for as long as it exists.
 */
export async function checkPresence(
  client: Etcd3,
  options: CallOptions,
  versions: readonly KeyVersion[],
): Promise<boolean[]> {
  const answer = await client.kv.txn(
    {
      compare: versions.map(({ key, token }) => createdIn(key, token)),
      // Also makes the transaction linearizable: one without requests is answered by a member that may lag behind.
      failure: versions.map(({ key }) => ({ request_range: { key, keys_only: true } })),
    },
    options,
  );
  if (succeeded(answer)) return versions.map(() => true);
  return versions.map(({ token }, i) => keysFound(answer, i)[0]?.create_revision === token);
}

/** How many keys one request deletes, which takes etcd two operations for each. */
export const deletedTogether = 64;

/** Deletes keys, but only those that have not been made anew since (H111). */
export async function deleteVersions(
  client: Etcd3,
  options: CallOptions,
  versions: readonly KeyVersion[],
): Promise<void> {
  if (versions.length === 0) return;
  const success = versions.map(({ key, token }) => ({
    request_txn: { compare: [createdIn(key, token)], success: [{ request_delete_range: { key } }] },
  }));
  await client.kv.txn({ success }, options);
}

/** The create revisions of keys; `undefined` for a key that does not exist. */
export async function findRevisions(
  client: Etcd3,
  options: CallOptions,
  keys: readonly Buffer[],
): Promise<(string | undefined)[]> {
  if (keys.length === 0) return [];
  const success = keys.map((key) => ({ request_range: { key, keys_only: true } }));
  const answer = await client.kv.txn({ success }, options);
  return keys.map((_, i) => keysFound(answer, i)[0]?.create_revision);
}

/** Deletes a key if it is still the one that was seen, and tells whether it was. */
export async function deleteSeen(client: Etcd3, options: CallOptions, { key, token }: KeyVersion): Promise<boolean> {
  const answer = await client.kv.txn(
    { compare: [createdIn(key, token)], success: [{ request_delete_range: { key } }] },
    options,
  );
  return succeeded(answer);
}
