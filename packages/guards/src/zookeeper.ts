import { corruptFence, type FencingToken, storedToken, tokenText } from './token.ts';

/** A transaction: the result of `client.transaction()` of node-zookeeper-client. */
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

// How ZooKeeper refuses a transaction whose fence has changed. Each of these means that nothing was written.
const refusedFence: ReadonlySet<unknown> = new Set(['BAD_VERSION', 'NODE_EXISTS', 'NO_NODE']);

interface Fence {
  readonly token: bigint;
  readonly version: number;
}

/**
 * Writes to ZooKeeper in one transaction, unless the fence has seen a higher token. In that case, it returns `false` and writes nothing.
 * `write` adds the operations to the transaction. It is called again if another writer has changed the fence in the meantime.
 *
 * Only a write raises the token of the fence. Without `write`, the call is the check of a reader: it returns `false` if the fence has
 * seen a higher token, and changes nothing, so that readers do not exclude each other.
 *
 * The fence is a separate node, which the first write creates; its parent must exist.
 *
 * @throws TypeError without a token. Error if the fence holds something other than a token; nothing was written. Any other rejection is
 * the client's. After a lost connection, the write may have happened; it may be repeated with the same token. If one of your own
 * operations fails, the call rejects with its exception, and nothing was written.
 */
export async function fencedZookeeperWrite(
  client: ZookeeperWriter,
  fence: string,
  token: FencingToken,
  write?: (transaction: ZookeeperTransaction) => void,
): Promise<boolean> {
  const text = tokenText(token);
  let seen = await read(client, fence);
  for (;;) {
    if (seen !== undefined && seen.token > BigInt(text)) return false;
    const transaction = client.transaction();
    const data = Buffer.from(text);
    if (write === undefined) look(transaction, fence, seen);
    // The client treats version 0 as "any version". A fence therefore starts at version 1, so that every check counts.
    else if (seen === undefined) {
      transaction.create(fence, data);
      transaction.setData(fence, data);
    } else transaction.setData(fence, data, seen.version);
    write?.(besideFence(transaction, fence));
    const error = await commit(transaction);
    if (error === null) return true;
    // After a lost connection the transaction may have been committed: another attempt would write it twice.
    if (!refusedFence.has((error as { name?: unknown }).name)) throw error;
    // The server answers in order, so this read is not older than the failed transaction (H74).
    const now = await read(client, fence);
    if (now?.version === seen?.version) throw error; // the fence did not change: an operation of `write` did not apply
    seen = now;
  }
}

/** What was read may be old, as a follower told it: the leader confirms it, and nothing is left changed. */
function look(transaction: ZookeeperTransaction, fence: string, seen: Fence | undefined): void {
  if (seen !== undefined) return void transaction.check(fence, seen.version);
  transaction.create(fence, Buffer.from('0'));
  transaction.remove(fence, 0);
}

/** The transaction as `write` sees it: the fence must come out of it with the token. */
function besideFence(transaction: ZookeeperTransaction, fence: string): ZookeeperTransaction {
  const beside: ZookeeperTransaction = new Proxy(transaction, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name);
      if (typeof method !== 'function') return method;
      return (path: unknown, ...more: unknown[]) => {
        if (path === fence && name !== 'check')
          throw new TypeError(`The fence ${fence} cannot be written itself: it is a node beside the data.`);
        const answer: unknown = method.call(target, path, ...more);
        return answer === target ? beside : answer;
      };
    },
  });
  return beside;
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
      const token = storedToken(text);
      if (token === undefined) reject(corruptFence(fence, text));
      else if (stat.version !== 0) resolve({ token, version: stat.version });
      else {
        reject(
          new Error(
            `The node ${fence} was not created by a fenced write: its version is 0, which this client cannot check. Nothing was written. Delete it, and let the first fenced write create it.`,
          ),
        );
      }
    });
  });
}
