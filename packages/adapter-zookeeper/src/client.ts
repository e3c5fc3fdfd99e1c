import { LockError } from '@holdfast/lock-core';
import zookeeper from 'node-zookeeper-client';

type Done<T extends unknown[] = []> = (error: unknown, ...result: T) => void;

/** What the server says of a node; 64-bit numbers are 8 bytes, big-endian. */
export interface NodeStat {
  readonly czxid: Buffer;
  readonly ephemeralOwner: Buffer;
}

/** A client of `node-zookeeper-client`, as far as the adapter uses it. It serves one TCP connection and is then thrown away. */
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
 * The library's internals. It has no public way to end an unresponsive connection, to keep it from connecting again on its own,
 * to carry the newest seen transaction over to another client, or to send requests newer than itself.
 */
export interface ConnectionManager {
  connect(): void;
  onSocketData(data: Buffer): void;
  queue(request: ClientRequest, done?: (error: unknown, response: ClientResponse) => void): void;
  zxid: Buffer;
  readonly state: number;
  readonly socket?:
    | { destroy(): void; cork(): void; uncork(): void; on(event: 'error', listener: (error: Error) => void): unknown }
    | undefined;
  readonly connectTimeoutHandler?: NodeJS.Timeout | null | undefined;
}

/** A request on its way through the library. */
export interface ClientRequest {
  readonly header: { type: number } | null;
  readonly payload: { readonly flags?: number } | null;
  toBuffer(): Buffer;
}

/** An answer as the library has read it. */
export interface ClientResponse {
  readonly payload: {
    readonly path: string;
    /** Of a transaction: what became of each operation. */
    readonly results?: readonly { readonly err?: number }[] | undefined;
  };
}

/** The options of `createClient`; the session is the one to go on with. */
export interface ClientOptions {
  readonly sessionTimeout: number;
  readonly spinDelay: number;
  readonly retries: number;
  readonly sessionId?: Buffer | undefined;
  readonly sessionPassword?: Buffer | undefined;
}

/** Makes a client for one server, `host:port`, not yet connected. */
export type ClientFactory = (server: string, options: ClientOptions) => ZookeeperClient;

/** The library's own factory. */
export const createClient: ClientFactory = (server, options) => zookeeper.createClient(server, options);

/** One entry of an access control list. */
export interface AclEntry {
  /** Sum of 1 read, 2 write, 4 create, 8 delete, 16 admin. */
  readonly permissions: number;
  /** `world`, `auth`, `digest`, `ip`, … */
  readonly scheme: string;
  /** Who, in the words of the scheme: `anyone`, `user:base64`, … */
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
  // A server that lags behind what we have seen must not take us (H74).
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
