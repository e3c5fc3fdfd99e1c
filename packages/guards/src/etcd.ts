import { corruptFence, type FencingToken, storedToken, tokenText } from './token.ts';

/** An operation for a transaction: the result of `etcd.put(key).value(…)` or `etcd.delete().key(…)` of etcd3. */
export interface EtcdOperation {
  // biome-ignore lint/suspicious/noExplicitAny: the type is etcd3's own
  op(): Promise<any>;
}

/** An `Etcd3` client, or a `Namespace` of one. */
export interface EtcdWriter {
  if(key: string, column: 'Mod', comparator: '==', value: string): EtcdTransaction;
  get(key: string): { exec(): Promise<{ kvs: { value: Buffer; mod_revision: string | number | bigint }[] }> };
  put(key: string): { value(value: string): EtcdOperation };
}

interface EtcdTransaction {
  then(...operations: EtcdOperation[]): { commit(): Promise<{ succeeded: boolean }> };
}

// Fences keep a fixed width, as earlier versions of this package wrote them.
const digits = 19;

/**
 * Writes to etcd unless the fence has seen a higher token, in one transaction. Returns `false` when it has; nothing is
 * written then.
 *
 * Only a write raises the mark, also one of nothing (`[]`). Without `operations` the answer is whether a higher token was here: the look of a reader, which
 * must not shut out another reader.
 *
 * The fence is a key beside the data, has no lease, and is not one of the keys to be written.
 *
 * @throws TypeError without a token. Error when the fence holds something that is no token: nothing was written. Any other
 * rejection is etcd3's: the write may have happened, and may be repeated with the same token.
 */
export async function fencedEtcdWrite(
  client: EtcdWriter,
  fence: string,
  token: FencingToken,
  operations?: readonly EtcdOperation[],
): Promise<boolean> {
  const text = tokenText(token);
  for (;;) {
    const seen = await readFence(client, fence);
    if (seen.token !== undefined && seen.token > BigInt(text)) return false;
    if (operations === undefined) return true;
    // A transaction can compare values only as bytes, and a corrupt fence has no place in that order. So the fence is
    // read first, and the transaction requires that it has not changed. A missing key has revision 0.
    const { succeeded } = await client
      .if(fence, 'Mod', '==', seen.revision)
      .then(client.put(fence).value(text.padStart(digits, '0')), ...operations)
      .commit();
    if (succeeded === true) return true;
    if (succeeded !== false) throw new Error(`etcd3 answered a transaction with succeeded: ${String(succeeded)}.`);
    // Another writer changed the fence in between. It made progress, so this loop ends.
  }
}

async function readFence(
  client: EtcdWriter,
  fence: string,
): Promise<{ readonly revision: string; readonly token: bigint | undefined }> {
  const [found] = (await client.get(fence).exec()).kvs;
  if (found === undefined) return { revision: '0', token: undefined };
  const text = String(found.value);
  const token = text.length === digits ? storedToken(text.replace(/^0+(?=.)/, '')) : undefined;
  if (token === undefined) throw corruptFence(fence, text);
  return { revision: String(found.mod_revision), token };
}
