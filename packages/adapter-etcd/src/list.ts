import type { KeysPage } from '@holdfast/lock-core';
import type { Etcd3 } from 'etcd3';
import type { CallOptions } from './endpoints.ts';
import { nameIn } from './key-layout.ts';

// Keys, of which a lock has one for its holder and one for each who waits.
const perPage = 1_000;

/** One page of the locks under a prefix. The cursor is the first key of the page. */
export async function keysPage(
  client: Etcd3,
  options: CallOptions,
  prefix: string,
  cursor: string = prefix,
): Promise<KeysPage> {
  const end = Buffer.from(prefix);
  end[end.length - 1]! += 1;
  const request = { key: Buffer.from(cursor), range_end: end, limit: perPage, keys_only: true };
  const { kvs, more } = await client.kv.range(request, options);
  const names = new Set(kvs.map(({ key }) => nameIn(prefix, key.toString())));
  const last = kvs.at(-1);
  return {
    keys: [...names].filter((name) => name !== undefined),
    // The sign that follows it; a queue longer than a page is gone through page by page.
    next: more && last !== undefined ? `${last.key.toString()}\0` : undefined,
  };
}
