import { corruptFence, type FencingToken, storedToken, tokenText } from './token.ts';

/** An operation of a transaction: the result of `etcd.put(key).value(…)` or `etcd.delete().key(…)` of etcd3. */
export interface EtcdOperation {
  // biome-ignore lint/suspicious/noExplicitAny: the type is etcd3's own
  op(): Promise<any>;
}

/** An `Etcd3` client, or one of its `Namespace`s. */
export interface EtcdWriter {
  if(key: string, column: 'Mod', comparator: '==', value: string): EtcdTransaction;
  get(key: string): EtcdRead & { revision(revision: string): EtcdRead };
  put(key: string): { value(value: string): EtcdOperation };
}

interface EtcdRead {
  exec(): Promise<{ kvs: { value: Buffer; mod_revision: string | number | bigint }[] }>;
}

interface EtcdTransaction {
  then(...operations: EtcdOperation[]): { commit(): Promise<{ succeeded: boolean }> };
}

// Fences keep a fixed width, as earlier versions of this package wrote them.
const digits = 19;

/**
 * Writes to etcd in one transaction, unless the fence has seen a higher token. In that case, it returns `false` and writes nothing.
 *
 * Only a write raises the token of the fence, even a write of nothing (`[]`). Without `operations`, the call is the check of a reader: it
 * returns `false` if the fence has seen a higher token, and changes nothing, so that readers do not exclude each other.
 *
 * The fence is a key beside the data. It has no lease and must not be one of the keys to be written.
 *
 * @throws TypeError without a token. Error if the fence holds something other than a token; nothing was written. After any other
 * rejection, the write may have happened; it may be repeated with the same token.
 */
export async function fencedEtcdWrite(
  client: EtcdWriter,
  fence: string,
  token: FencingToken,
  operations?: readonly EtcdOperation[],
): Promise<boolean> {
  const text = tokenText(token);
  for (const operation of operations ?? []) await assertSparesFence(operation, fence);
  let first: string | undefined;
  for (;;) {
    const seen = await readFence(client.get(fence), fence);
    if (seen.token !== undefined && seen.token > BigInt(text)) {
      if (first !== undefined && (await hadToken(client, fence, text, first, seen.revision))) throw mayBeWritten(fence);
      return false;
    }
    if (operations === undefined) return true;
    // A transaction can compare values only as bytes, and a corrupt fence has no place in that order. So the fence is
    // read first, and the transaction requires that it has not changed. A missing key has revision 0.
    const { succeeded } = await client
      .if(fence, 'Mod', '==', seen.revision)
      .then(client.put(fence).value(text.padStart(digits, '0')), ...operations)
      .commit();
    if (succeeded === true) return true;
    if (succeeded !== false) throw new Error(`etcd3 answered a transaction with succeeded: ${String(succeeded)}.`);
    // Another writer changed the fence in between, or this one did: etcd3 sends a transaction again when its answer was lost.
    first ??= seen.revision;
  }
}

/** etcd itself refuses an operation on the fence beside its write, but overlooks it in a deletion of all keys from some key on. */
async function assertSparesFence(operation: EtcdOperation, fence: string): Promise<void> {
  const end: unknown = (await operation.op())?.request_delete_range?.range_end;
  if (end === undefined || String(end) !== '\0') return;
  throw new TypeError(
    `The fence ${fence} cannot be written itself, and may be among the keys to be deleted: give their range an end. Nothing was written.`,
  );
}

/** Whether the fence held the token after one of its revisions and before another. */
async function hadToken(
  client: EtcdWriter,
  fence: string,
  token: string,
  after: string,
  before: string,
): Promise<boolean> {
  for (let at = BigInt(before); ; ) {
    const seen = await readFence(client.get(fence).revision(String(at - 1n)), fence);
    at = BigInt(seen.revision);
    if (at <= BigInt(after)) return false;
    if (seen.token === BigInt(token)) return true;
  }
}

const mayBeWritten = (fence: string): Error =>
  new Error(
    `The write that the fence ${fence} guards may have happened: a lost answer made the client send it again, and a higher token was there by then.`,
  );

async function readFence(
  read: EtcdRead,
  fence: string,
): Promise<{ readonly revision: string; readonly token: bigint | undefined }> {
  const [found] = (await read.exec()).kvs;
  if (found === undefined) return { revision: '0', token: undefined };
  const text = String(found.value);
  const token = text.length === digits ? storedToken(text.replace(/^0+(?=.)/, '')) : undefined;
  if (token === undefined) throw corruptFence(fence, text);
  return { revision: String(found.mod_revision), token };
}
