import { type FencingToken, tokenText } from './token.ts';

/** What `client.transaction()` of node-zookeeper-client gives. */
export interface ZookeeperTransaction {
  create(path: string, data: Buffer): unknown;
  setData(path: string, data: Buffer, version?: number): unknown;
  check(path: string, version?: number): unknown;
  remove(path: string, version?: number): unknown;
  commit(callback: (error: unknown) => void): void;
}

/** A client of node-zookeeper-client. */
export interface ZookeeperWriter {
  getData(path: string, callback: (error: unknown, data: Buffer, stat: { version: number }) => void): void;
  transaction(): ZookeeperTransaction;
}

interface Fence {
  readonly token: bigint;
  readonly version: number;
}

/**
 * Writes to ZooKeeper unless the fence has seen a higher token, in one transaction; `false` when it has, and nothing is
 * written. `write` adds the operations to the transaction; it is called anew when another writer came between.
 *
 * The fence is a node of its own, made by the first write; its parent must be there.
 *
 * @throws TypeError no token. Any other rejection is the client's: after a lost connection the write may have happened, and
 * may be made again with the same token. One of your own operations that does not apply rejects with its exception.
 */
export async function fencedZookeeperWrite(
  client: ZookeeperWriter,
  fence: string,
  token: FencingToken,
  write: (transaction: ZookeeperTransaction) => void,
): Promise<boolean> {
  const text = tokenText(token);
  let seen = await read(client, fence);
  for (;;) {
    if (seen !== undefined && seen.token > BigInt(text)) return false;
    const transaction = client.transaction();
    const data = Buffer.from(text);
    // The client takes version 0 for "any": a fence is made with version 1, so that every check of it counts.
    if (seen === undefined) {
      transaction.create(fence, data);
      transaction.setData(fence, data);
    } else transaction.setData(fence, data, seen.version);
    write(transaction);
    const error = await commit(transaction);
    if (error === null) return true;
    // The answer to a failed transaction comes after all that went before it, so this look is no older (H74).
    const now = await read(client, fence);
    if (now?.version === seen?.version) throw error; // nobody came between: an operation of `write` did not apply
    seen = now;
  }
}

function commit(transaction: ZookeeperTransaction): Promise<unknown> {
  return new Promise((resolve) => transaction.commit((error) => resolve(error ?? null)));
}

function read(client: ZookeeperWriter, fence: string): Promise<Fence | undefined> {
  return new Promise((resolve, reject) => {
    client.getData(fence, (error, data, stat) => {
      if (error !== null && error !== undefined) {
        if ((error as { name?: string }).name === 'NO_NODE') resolve(undefined);
        else reject(error);
        return;
      }
      const text = data?.toString() ?? '';
      if (/^\d+$/.test(text) && stat.version !== 0) resolve({ token: BigInt(text), version: stat.version });
      else reject(new Error(`The node ${fence} is no fence: let the first fenced write make it.`));
    });
  });
}
