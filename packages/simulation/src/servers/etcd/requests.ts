import type { Leases } from './leases.ts';
import {
  notModelled,
  type PutRequest,
  type RangeRequest,
  Refusal,
  resourceExhausted,
  type TxnRequest,
} from './messages.ts';
import type { Store } from './store.ts';
import { checkedRanges, checkKey, checkTxn, isLocal, isReadOnly, mayPut, readTxn, runTxn } from './txn.ts';
import type { Users } from './users.ts';

/** What the requests of all clients work on. */
export interface State {
  readonly store: Store;
  readonly leases: Leases;
  readonly users: Users;
  /** The alarm of a database that is full: nothing is put until somebody disarms it. */
  noSpace: boolean;
  /** Gives an ID for a lease whose client names none. */
  newLeaseId(): string;
}

/** One unary request, decoded. */
export interface Call {
  readonly method: string;
  // biome-ignore lint/suspicious/noExplicitAny: one of the messages, by the method.
  readonly request: any;
  readonly token: string | undefined;
}

/** Whether the member that is asked may answer alone, from what it has applied so far. */
export function needsNoLeader({ method, request }: Call): boolean {
  if (method === 'Range') return (request as RangeRequest).serializable;
  return method === 'Txn' && isLocal(request as TxnRequest);
}

/** Answers a request. @throws Refusal. */
export function answer(state: State, call: Call, applied: number): object {
  const method = methods[call.method];
  if (method === undefined) return notModelled(`the method ${call.method}`);
  return method(state, call, applied);
}

type Method = (state: State, call: Call, applied: number) => object;

const nothing = Buffer.alloc(0);

function assertSpace({ noSpace }: State): void {
  if (noSpace) throw new Refusal(resourceExhausted, 'etcdserver: mvcc: database space exceeded');
}

const headerOf = ({ store }: State): object => ({ revision: String(store.revision) });

function assertPlainPut(put: PutRequest): void {
  if (put.prev_kv || put.ignore_value || put.ignore_lease) notModelled('this option of a put');
}

const methods: Readonly<Record<string, Method>> = {
  Range({ store, users }, { request, token }, applied) {
    const { key, range_end, serializable } = request as RangeRequest;
    checkKey(key);
    users.checkRange(token, key, range_end);
    return store.range(request, serializable ? applied : undefined);
  },

  Txn(state, call, applied) {
    const { store, leases, users } = state;
    const txn = call.request as TxnRequest;
    checkTxn(txn);
    for (const { key, range_end } of checkedRanges(txn)) users.checkRange(call.token, key, range_end);
    // Of the users as they were before, only what is read is refused.
    if (call.token !== undefined) users[isReadOnly(txn) ? 'check' : 'checkToken'](call.token);
    if (isLocal(txn)) return readTxn(store, txn, applied);
    if (mayPut(txn)) assertSpace(state);
    const checkPut = (put: PutRequest): void => {
      assertPlainPut(put);
      leases.assertExists(put.lease);
    };
    return runTxn(store, txn, checkPut, (write, { key, value, lease }) => write.put(key, value, lease));
  },

  Put(state, { request, token }) {
    const { store, leases, users } = state;
    const put = request as PutRequest;
    checkKey(put.key);
    users.checkRange(token, put.key, nothing);
    assertSpace(state);
    assertPlainPut(put);
    leases.assertExists(put.lease);
    const write = store.write();
    write.put(put.key, put.value, put.lease);
    write.commit();
    return { header: headerOf(state) };
  },

  DeleteRange(state, { request, token }) {
    const { key, range_end, prev_kv } = request;
    checkKey(key);
    if (prev_kv) notModelled('prev_kv');
    state.users.checkRange(token, key, range_end);
    const write = state.store.write();
    const deleted = write.delete(key, range_end);
    write.commit();
    return { header: headerOf(state), deleted: String(deleted) };
  },

  Compact(state, { request, token }) {
    state.users.check(token);
    state.store.compact(Number(request.revision));
    return { header: headerOf(state) };
  },

  LeaseGrant(state, { request, token }) {
    if (token !== undefined) state.users.checkToken(token);
    assertSpace(state);
    const id = request.ID === '0' ? state.newLeaseId() : request.ID;
    const { ttlSeconds } = state.leases.grant(id, Number(request.TTL));
    return { header: headerOf(state), ID: id, TTL: String(ttlSeconds), error: '' };
  },

  LeaseRevoke(state, { request, token }) {
    const { leases, users } = state;
    if (token !== undefined) users.checkToken(token);
    for (const key of leases.get(request.ID)?.keys ?? []) {
      users.checkRange(token, Buffer.from(key, 'latin1'), nothing);
    }
    leases.revoke(request.ID);
    return { header: headerOf(state) };
  },

  LeaseTimeToLive(state, { request }) {
    const lease = state.leases.get(request.ID);
    const header = headerOf(state);
    if (lease === undefined) return { header, ID: request.ID, TTL: '-1', grantedTTL: '0', keys: [] };
    const TTL = String(state.leases.remainingSeconds(lease));
    const keys = request.keys ? [...lease.keys].map((key) => Buffer.from(key, 'latin1')) : [];
    return { header, ID: request.ID, TTL, grantedTTL: String(lease.ttlSeconds), keys };
  },

  Authenticate(state, { request }) {
    return { header: headerOf(state), token: state.users.authenticate(request.name, request.password) };
  },
};

/** Answers a keep-alive; `undefined` when the lease should have ended, or nobody minds it: etcd then waits. */
export function keepAlive(state: State, id: string): object | undefined {
  const lease = state.leases.get(id);
  const header = headerOf(state);
  if (lease === undefined) return { header, ID: id, TTL: '0' };
  if (state.leases.isExpired(lease) || lease.expiresAt === Number.POSITIVE_INFINITY) return undefined;
  state.leases.renew(lease);
  return { header, ID: id, TTL: String(lease.ttlSeconds) };
}
