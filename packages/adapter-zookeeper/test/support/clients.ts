import zookeeper from 'node-zookeeper-client';
import { type AclEntry, type ClientFactory, clientAcl, createClient, type ZookeeperClient } from '../../src/client.ts';

/** A client factory that remembers its clients, to look into them or to end their sessions from outside. */
export function rememberingFactory(): { factory: ClientFactory; clients: ZookeeperClient[] } {
  const clients: ZookeeperClient[] = [];
  const factory: ClientFactory = (server, options) => {
    const client = createClient(server, options);
    clients.push(client);
    return client;
  };
  return { factory, clients };
}

/** A client of our own, beside the adapter, with promises. */
export interface Raw extends AsyncDisposable {
  readonly client: ZookeeperClient;
  create(path: string, mode?: number, data?: string): Promise<string>;
  setAcl(path: string, acl: readonly AclEntry[]): Promise<void>;
  children(path: string): Promise<string[]>;
  /** The session that owns the node, in hex; `undefined` when it is not there. */
  ownerOf(path: string): Promise<string | undefined>;
  remove(path: string): Promise<void>;
  /** Writes data to the node, which fires the watches on it. */
  touch(path: string): Promise<void>;
  close(): Promise<void>;
}

class SessionExpired extends Error {}

/** Connects; with a session, takes that over from whoever has it. */
export async function rawClient(server: string, session?: { id: Buffer; password: Buffer }): Promise<Raw> {
  const client = zookeeper.createClient(server, {
    sessionTimeout: 10_000,
    spinDelay: 100,
    retries: 0,
    sessionId: session?.id,
    sessionPassword: session?.password,
  });
  const writer = client as ZookeeperClient & {
    setACL(path: string, acl: object[], version: number, done: (error: unknown) => void): void;
  };
  const reached = (wanted: number): Promise<void> =>
    new Promise((resolve) => {
      client.on('state', (state: { getCode(): number }) => {
        if (state.getCode() === wanted) resolve();
      });
    });
  const ended = reached(0);
  const expired = reached(-122).then(() => {
    throw new SessionExpired();
  });
  expired.catch(() => {});
  const connected = Promise.race([reached(3), expired]);
  client.connect();
  await connected;
  const promised = <T>(send: (done: (error: unknown, result: T) => void) => void): Promise<T> =>
    new Promise((resolve, reject) => {
      send((error, result) => (error ? reject(error) : resolve(result)));
    });
  const close = async (): Promise<void> => {
    client.close();
    await ended;
  };
  return {
    client,
    create: (path, mode = 0, data) =>
      promised((done) => client.create(path, data === undefined ? null : Buffer.from(data), openAcl, mode, done)),
    setAcl: (path, acl) =>
      promised<void>((done) => writer.setACL(path, clientAcl(acl), -1, (error) => done(error, undefined))),
    children: (path) =>
      promised<string[]>((done) => client.getChildren(path, done)).catch((error: { code?: number }) => {
        if (error.code === -101) return [];
        throw error;
      }),
    ownerOf: async (path) => {
      const stat = await promised<{ ephemeralOwner: Buffer } | null>((done) => client.exists(path, done));
      return stat?.ephemeralOwner.toString('hex');
    },
    remove: (path) => promised<void>((done) => client.remove(path, -1, (error) => done(error, undefined))),
    touch: (path) =>
      promised<void>((done) => writer.setData(path, Buffer.from('touched'), -1, (error) => done(error, undefined))),
    close,
    [Symbol.asyncDispose]: close,
  };
}

const openAcl = [new zookeeper.ACL(31, new zookeeper.Id('world', 'anyone'))];

/** Ends a session as the server would: its client learns of it when it asks next. */
export async function expire(server: string, client: ZookeeperClient): Promise<void> {
  const session = { id: client.getSessionId(), password: client.getSessionPassword() };
  const other = await rawClient(server, session).catch((error: unknown) => {
    // It has ended meanwhile.
    if (!(error instanceof SessionExpired)) throw error;
  });
  await other?.close();
}

/** Looks until it is so, for at most `withinMs`. */
export async function until(what: string, look: () => unknown, withinMs: number = 15_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await look())) {
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
