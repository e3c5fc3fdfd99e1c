import type { KeysPage } from '@holdfast/lock-core';
import type { Etcd3 } from 'etcd3';
import type { CallOptions } from './authentication.ts';
import { nameIn } from './key-layout.ts';

// A number of keys: a lock has one for each holder and one for each waiter.
const perPage = 1_000;

/** One page of the locks under a prefix. The cursor is the first key of the page, in base64, because its bytes may not be text. */
export async function keysPage(
  client: Etcd3,
  options: CallOptions,
  prefix: string,
  cursor?: string,
): Promise<KeysPage> {
  const end = Buffer.from(prefix);
  end[end.length - 1]! += 1;
  const key = cursor === undefined ? Buffer.from(prefix) : Buffer.from(cursor, 'base64');
  const request = { key, range_end: end, limit: perPage, keys_only: true };
  const { kvs, more } = await client.kv.range(request, options);
  // A key without a lease is data and not a lock (H128).
  const names = new Set(kvs.filter(({ lease }) => lease !== '0').map((kv) => nameIn(prefix, kv.key.toString())));
  const last = kvs.at(-1);
  return {
    keys: [...names].filter((name) => name !== undefined),
    // The key that follows it; a queue longer than a page takes several pages.
    next: more && last !== undefined ? Buffer.concat([last.key, Buffer.of(0)]).toString('base64') : undefined,
  };
}
