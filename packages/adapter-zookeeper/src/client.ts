import { LockError } from '@holdfast/lock-core';
import zookeeper from 'node-zookeeper-client';

type Done<T extends unknown[] = []> = (error: unknown, ...result: T) => void;

/** The metadata of a node. 64-bit numbers are 8 bytes, big-endian. */
export interface NodeStat {
  readonly czxid: Buffer;
  readonly ephemeralOwner: Buffer;
}

/** The part of a `node-zookeeper-client` client that the adapter uses. A client serves one TCP connection and is then discarded. */
export interface ZookeeperClient {
  readonly connectionManager: ConnectionManager;
  connect(): void;
  close(): void;
  on(event: 'state', listener: (state: { getCode(): number }) => void): unknown;
  getSessionId(): Buffer;
  getSessionPassword(): Buffer;
  getSessionTimeout(): number;
  addAuthInfo(scheme: string, auth: Buffer): void;
  create(path: string, data: Buffer | null, acls: object[], mode: number, done: Done<[path: string]>): void;
  remove(path: string, version: number, done: Done): void;
  exists(path: string, done: Done<[stat: NodeStat | null]>): void;
  getData(path: string, watcher: (() => void) | undefined, done: Done<[data: Buffer | undefined]>): void;
  setData(path: string, data: Buffer, version: number, done: Done<[stat: NodeStat]>): void;
  getChildren(path: string, watcher: () => void, done: Done<[names: string[]]>): void;
  getChildren(path: string, done: Done<[names: string[]]>): void;
  transaction(): { check(path: string): { commit(done: Done): void } };
}

/**
 * The internals of the library that the adapter uses. The library has no public way to end an unresponsive connection, to prevent
 * reconnects, to pass the last seen transaction on to another client, or to send requests that are newer than the library.
 */
export interface ConnectionManager {
  connect(): void;
  onSocketData(data: Buffer): void;
  queue(request: ClientRequest, done?: (error: unknown, response: ClientResponse) => void): void;
  zxid: Buffer;
  /** The number of the next request. */
  xid: number;
  readonly state: number;
  readonly socket?:
    | { destroy(): void; cork(): void; uncork(): void; on(event: 'error', listener: (error: Error) => void): unknown }
    | undefined;
  readonly connectTimeoutHandler?: NodeJS.Timeout | null | undefined;
}

/** A request inside the library. */
export interface ClientRequest {
  readonly header: { type: number } | null;
  readonly payload: { readonly flags?: number } | null;
  toBuffer(): Buffer;
}

/** A response as the library parsed it. */
export interface ClientResponse {
  readonly payload: {
    readonly path: string;
    /** For a transaction: the result of each operation. */
    readonly results?: readonly { readonly err?: number }[] | undefined;
  };
}

/** The options of `createClient`. `sessionId` and `sessionPassword` are those of the session to continue. */
export interface ClientOptions {
  readonly sessionTimeout: number;
  readonly spinDelay: number;
  readonly retries: number;
  readonly sessionId?: Buffer | undefined;
  readonly sessionPassword?: Buffer | undefined;
}

/** Creates a client for one server, `host:port`, without connecting it. */
export type ClientFactory = (server: string, options: ClientOptions) => ZookeeperClient;

/** The library's own factory. */
export const createClient: ClientFactory = (server, options) => zookeeper.createClient(server, options);

/** One entry of an access control list. */
export interface AclEntry {
  /** The sum of 1 for read, 2 for write, 4 for create, 8 for delete and 16 for admin. */
  readonly permissions: number;
  /** The scheme: `world`, `auth`, `digest`, `ip`, … */
  readonly scheme: string;
  /** The identity, in the format of the scheme: `anyone`, `user:base64`, … */
  readonly id: string;
}

export function clientAcl(entries: readonly AclEntry[]): object[] {
  return entries.map(({ permissions, scheme, id }) => new zookeeper.ACL(permissions, new zookeeper.Id(scheme, id)));
}

/** What a client is made with. */
export interface ClientTerms {
  readonly server: string;
  readonly clientFactory: ClientFactory;
  readonly sessionTimeoutMs: number;
  readonly auth: { readonly scheme: string; readonly credentials: Buffer } | undefined;
  /** The session to continue. */
  readonly resume: { readonly id: Buffer; readonly password: Buffer; readonly zxid: Buffer } | undefined;
}

/**
 * Makes a client for one connection.
 * @throws LockError LOCK_INVALID_ARGUMENT when the factory did not make a client of `node-zookeeper-client`.
 */
export function makeClient(terms: ClientTerms): ZookeeperClient {
  const { resume, auth } = terms;
  const client = terms.clientFactory(terms.server, {
    sessionTimeout: terms.sessionTimeoutMs,
    spinDelay: 0,
    retries: 0,
    sessionId: resume?.id,
    sessionPassword: resume?.password,
  });
  assertClient(client);
  // A server that lags behind what this client has seen must not accept it (H74).
  if (resume !== undefined) client.connectionManager.zxid = resume.zxid;
  if (auth !== undefined) client.addAuthInfo(auth.scheme, auth.credentials);
  return client;
}

function assertClient(client: ZookeeperClient): void {
  const manager = (client as Partial<ZookeeperClient> | null | undefined)?.connectionManager;
  const isClient = typeof manager?.queue === 'function' && typeof manager.onSocketData === 'function';
  if (isClient && typeof client.connect === 'function' && typeof client.getSessionId === 'function') return;
  throw new LockError(
    'LOCK_INVALID_ARGUMENT',
    'clientFactory returned something that is not a client of node-zookeeper-client 1.1: return what its createClient makes',
  );
}

/** What went wrong with a socket, as the end of a sentence that begins with the server. */
export function socketReason(error: Error & { code?: string }): string {
  const code = error.code ?? error.message;
  if (code === 'ECONNREFUSED') return 'refused the connection (ECONNREFUSED)';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `has a name that cannot be resolved (${code})`;
  return `cannot be reached (${code})`;
}
