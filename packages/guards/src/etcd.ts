import { type FencingToken, tokenText } from './token.ts';

/** What `etcd.put(key).value(…)` and `etcd.delete().key(…)` of etcd3 give, for a transaction. */
export interface EtcdOperation {
  // biome-ignore lint/suspicious/noExplicitAny: the type is etcd3's own
  op(): Promise<any>;
}

/** An `Etcd3` client, or a `Namespace` of one. */
export interface EtcdWriter {
  if(key: string, column: 'Value', comparator: '>', value: string): EtcdTransaction;
  put(key: string): { value(value: string): EtcdOperation };
}

interface EtcdTransaction {
  else(...operations: EtcdOperation[]): { commit(): Promise<{ succeeded: boolean }> };
}

// etcd compares values byte by byte, so every token is written with as many digits as the highest has.
const digits = 19;

/**
 * Writes to etcd unless the fence has seen a higher token, in one transaction; `false` when it has, and nothing is written.
 *
 * The fence is a key beside the data, without a lease, and is none of the keys that are written.
 *
 * @throws TypeError no token. Any other rejection is etcd3's: the write may have happened, and may be made again with the same
 * token.
 */
export async function fencedEtcdWrite(
  client: EtcdWriter,
  fence: string,
  token: FencingToken,
  operations: readonly EtcdOperation[],
): Promise<boolean> {
  const text = tokenText(token).padStart(digits, '0');
  // A comparison with a key that is not there is false: a first write takes the same branch as one with a token high enough.
  const { succeeded: stale } = await client
    .if(fence, 'Value', '>', text)
    .else(client.put(fence).value(text), ...operations)
    .commit();
  return !stale;
}
