import { once } from 'node:events';
import zookeeper, { type RawZookeeper } from 'node-zookeeper-client';
import type { Subject } from './subject.ts';

const ephemeralSequential = 3;

/**
 * By hand, the smallest sequence of the client's calls that gives what a lock promises: create a node; see who is before it, and
 * of the node its session and the number of its transaction, which is the fencing token (asked for together); delete it. With
 * fewer a lost session would go unseen, or somebody who waits would be passed, or there would be no token.
 *
 * Its hand-overs are no lock: waiters put a node each in the queue and tell each other in the process that it is gone. What is
 * left is the floor of a hand-over, a create and a delete that a server writes to disk.
 */
export async function rawZookeeperSubject(port: number): Promise<Subject> {
  const client = zookeeper.createClient(`127.0.0.1:${port}`, { sessionTimeout: 30_000 });
  const connected = once(client, 'connected');
  client.connect();
  await connected;
  const calls = promised(client);
  const parents = new Map<string, Promise<void>>();
  const lastTurns = new Map<string, Promise<unknown>>();

  function parentOf(key: string): { path: string; made: Promise<void> } {
    const path = `/raw/${key}`;
    const made = parents.get(path) ?? calls.mkdirp(path);
    parents.set(path, made);
    return { path, made };
  }

  return {
    async cycle(key) {
      const { path, made } = parentOf(key);
      await made;
      const node = await calls.create(`${path}/lock-`, ephemeralSequential);
      const [children, exists] = await Promise.all([calls.getChildren(path), calls.exists(node)]);
      if (!exists || children.length !== 1) throw new Error(`The key ${key} was not free.`);
      await calls.remove(node);
    },
    waiter: async (key) => {
      const { path, made } = parentOf(key);
      await made;
      return async () => {
        const before = lastTurns.get(key);
        const { promise, resolve } = withResolvers();
        lastTurns.set(key, promise);
        const node = await calls.create(`${path}/lock-`, ephemeralSequential);
        await before;
        return { release: () => calls.remove(node).then(resolve) };
      };
    },
    async close() {
      client.close();
    },
  };
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

interface Calls {
  mkdirp(path: string): Promise<void>;
  create(path: string, mode: number): Promise<string>;
  getChildren(path: string): Promise<string[]>;
  exists(path: string): Promise<boolean>;
  remove(path: string): Promise<void>;
}

function promised(client: RawZookeeper): Calls {
  const call = <T>(send: (done: (error: unknown, result: T) => void) => void): Promise<T> =>
    new Promise((resolve, reject) => {
      send((error, result) => (error ? reject(error) : resolve(result)));
    });
  return {
    mkdirp: (path) => call<void>((done) => client.mkdirp(path, done)),
    create: (path, mode) => call<string>((done) => client.create(path, mode, done)),
    getChildren: (path) => call<string[]>((done) => client.getChildren(path, done)),
    exists: async (path) => Boolean(await call<object | null>((done) => client.exists(path, done))),
    remove: (path) => call<void>((done) => client.remove(path, -1, done)),
  };
}
