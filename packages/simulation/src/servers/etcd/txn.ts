import {
  type Compare,
  invalidArgument,
  notModelled,
  type PutRequest,
  Refusal,
  type RequestOp,
  type TxnRequest,
  type TxnResponse,
} from './messages.ts';
import type { Store, Stored, Write } from './store.ts';

const mostOperations = 128;

const emptyKey = (): Refusal => new Refusal(invalidArgument, 'etcdserver: key is not provided');
const duplicate = (): Refusal => new Refusal(invalidArgument, 'etcdserver: duplicate key given in txn request');

/** Refuses what etcd refuses before it looks at any key. */
export function checkTxn(txn: TxnRequest): void {
  checkOperations(txn, mostOperations);
  checkIntervals(txn.success);
  checkIntervals(txn.failure);
}

export function checkKey(key: Buffer): void {
  if (key.length === 0) throw emptyKey();
}

function checkOperations({ compare, success, failure }: TxnRequest, most: number): void {
  const count = Math.max(compare.length, success.length, failure.length);
  if (count > most) throw new Refusal(invalidArgument, 'etcdserver: too many operations in txn request');
  for (const { key } of compare) checkKey(key);
  for (const op of [...success, ...failure]) {
    if (op.request_txn) checkOperations(op.request_txn, most - count);
    else checkKey((op.request_range ?? op.request_put ?? op.request_delete_range)!.key);
  }
}

interface Interval {
  readonly key: Buffer;
  readonly range_end: Buffer;
}

interface Touched {
  readonly puts: Set<string>;
  readonly deletes: { readonly from: string; readonly to: string }[];
}

/** No key may be put twice, or put and deleted, on any path through a transaction. */
function checkIntervals(operations: readonly RequestOp[]): Touched {
  const puts = new Set<string>();
  const deletes: Touched['deletes'] = [];
  const isDeleted = (key: string): boolean => deletes.some(({ from, to }) => key >= from && key < to);
  const put = (key: string, safe?: ReadonlySet<string>): void => {
    if ((puts.has(key) && safe?.has(key) !== true) || isDeleted(key)) throw duplicate();
    puts.add(key);
  };
  for (const { request_delete_range: deleted } of operations) if (deleted) deletes.push(interval(deleted));
  for (const { request_txn: nested } of operations) {
    if (!nested) continue;
    const then = checkIntervals(nested.success);
    const otherwise = checkIntervals(nested.failure);
    for (const key of then.puts) put(key);
    for (const key of otherwise.puts) put(key, then.puts);
    deletes.push(...then.deletes, ...otherwise.deletes);
  }
  for (const { request_put: made } of operations) if (made) put(made.key.toString('latin1'));
  return { puts, deletes };
}

/** etcd does not take an end of one zero byte for "all that follow" here. */
function interval({ key, range_end: end }: Interval): Touched['deletes'][number] {
  const from = key.toString('latin1');
  return { from, to: end.length === 0 ? `${from}\0` : end.toString('latin1') };
}

/** Which way each transaction goes, the nested ones in their order: all look at what was there before any of it. */
type Path = boolean[];

function pathOf(store: Pick<Store, 'within'>, txn: TxnRequest): Path {
  const succeeded = txn.compare.every((compare) => holds(store, compare));
  const operations = succeeded ? txn.success : txn.failure;
  return [succeeded, ...operations.flatMap(({ request_txn: nested }) => (nested ? pathOf(store, nested) : []))];
}

const none = { created: 0, modified: 0, version: 0, lease: '0' };

function holds(store: Pick<Store, 'within'>, compare: Compare): boolean {
  const found = store.within(compare.key, compare.range_end);
  if (found.length > 0) return found.every((stored) => compares(compare, stored));
  return compare.target === 'Value' ? false : compares(compare, none);
}

function compares(compare: Compare, stored: Pick<Stored, 'created' | 'modified' | 'version'>): boolean {
  const { target, result } = compare;
  let difference: number;
  if (target === 'Create') difference = stored.created - Number(compare.create_revision ?? 0);
  else if (target === 'Mod') difference = stored.modified - Number(compare.mod_revision ?? 0);
  else if (target === 'Version') difference = stored.version - Number(compare.version ?? 0);
  else if (target === 'Value') difference = Buffer.compare((stored as Stored).value, compare.value ?? Buffer.alloc(0));
  else return notModelled('a comparison of leases');
  if (result === 'Equal') return difference === 0;
  if (result === 'NotEqual') return difference !== 0;
  return result === 'Greater' ? difference > 0 : difference < 0;
}

/** Writes a key. @throws Refusal when its lease does not exist. */
export type Put = (write: Write, request: PutRequest) => void;

/** Whether etcd lets any member answer, which may lag behind: one that reads nothing, or only where that is asked for. */
export function isLocal({ success, failure }: TxnRequest): boolean {
  return [...success, ...failure].every(({ request_range: range }) => range?.serializable === true);
}

/** Whether it has neither writes nor nested transactions, which etcd takes for writes. */
export const isReadOnly = ({ success, failure }: TxnRequest): boolean =>
  [...success, ...failure].every(({ request_range: range }) => range !== undefined);

/** Answers a transaction that only reads, as of a revision. */
export function readTxn(store: Store, txn: TxnRequest, at: number): TxnResponse {
  const path = pathOf(store.asOf(at), txn);
  const operations = path[0] ? txn.success : txn.failure;
  const responses = operations.map(({ request_range: range }) => ({ response_range: store.range(range!, at) }));
  return { header: { revision: String(at) }, succeeded: path[0]!, responses };
}

/** Whether a transaction may put a key. */
export function mayPut({ success, failure }: TxnRequest): boolean {
  return [...success, ...failure].some((op) => op.request_put || (op.request_txn && mayPut(op.request_txn)));
}

/** The ranges of keys for which etcd 3.4 checks the rights: not those of nested transactions. */
export function checkedRanges({ compare, success, failure }: TxnRequest): readonly Interval[] {
  const range_end = Buffer.alloc(0);
  const operations = [...success, ...failure].map(({ request_range, request_put, request_delete_range }) =>
    request_put ? { key: request_put.key, range_end } : (request_range ?? request_delete_range),
  );
  return [...compare, ...operations.filter((one) => one !== undefined)];
}

/** Runs a checked transaction. `checkPut` refuses a put before anything is done. */
export function runTxn(store: Store, txn: TxnRequest, checkPut: (request: PutRequest) => void, put: Put): TxnResponse {
  const path = pathOf(store, txn);
  check(store, txn, [...path], checkPut);
  const write = store.write();
  const answer = apply(store, write, txn, path, put);
  const { revision } = write;
  write.commit();
  return { ...answer, header: { revision: String(revision) } };
}

function check(store: Store, txn: TxnRequest, path: Path, checkPut: (request: PutRequest) => void): void {
  for (const op of path.shift() ? txn.success : txn.failure) {
    if (op.request_put) checkPut(op.request_put);
    else if (op.request_range && Number(op.request_range.revision) > 0) store.range(op.request_range);
    else if (op.request_txn) check(store, op.request_txn, path, checkPut);
  }
}

function apply(store: Store, write: Write, txn: TxnRequest, path: Path, put: Put): TxnResponse {
  const succeeded = path.shift()!;
  const responses = (succeeded ? txn.success : txn.failure).map((op): object => {
    if (op.request_range) return { response_range: store.range(op.request_range) };
    if (op.request_put) {
      put(write, op.request_put);
      return { response_put: { header: { revision: String(write.revision) } } };
    }
    if (op.request_delete_range) {
      const { key, range_end, prev_kv } = op.request_delete_range;
      if (prev_kv) notModelled('prev_kv');
      const deleted = String(write.delete(key, range_end));
      return { response_delete_range: { header: { revision: String(write.revision) }, deleted } };
    }
    return { response_txn: apply(store, write, op.request_txn!, path, put) };
  });
  return { header: { revision: '0' }, succeeded, responses };
}
