import zookeeper from 'node-zookeeper-client';

/** All of a ZooKeeper server, looked at by a client of its own. */
export interface ZookeeperTree {
  create(path: string, value: string): Promise<void>;
  /** Every node but the server's own, with its value. */
  read(): Promise<Map<string, string>>;
  close(): void;
}

export async function zookeeperTree(server: string): Promise<ZookeeperTree> {
  const client = zookeeper.createClient(server, { sessionTimeout: 30_000 });
  await new Promise<void>((resolve) => {
    client.once('connected', resolve);
    client.connect();
  });

  const children = (path: string): Promise<string[]> =>
    new Promise((resolve, reject) => {
      client.getChildren(path, (error, names) => (error ? reject(error) : resolve(names)));
    });
  const value = (path: string): Promise<string> =>
    new Promise((resolve, reject) => {
      client.getData(path, (error, data) => (error ? reject(error) : resolve(String(data ?? ''))));
    });
  // A node may go while we look: the server removes empty containers by itself.
  const unlessGone = <T>(call: Promise<T>, gone: T): Promise<T> =>
    call.catch((error: { code?: number }) => {
      if (error.code === zookeeper.Exception.NO_NODE) return gone;
      throw error;
    });

  async function readBelow(path: string, into: Map<string, string>): Promise<void> {
    for (const name of await unlessGone(children(path), [])) {
      const child = path === '/' ? `/${name}` : `${path}/${name}`;
      if (child === '/zookeeper') continue;
      into.set(child, await unlessGone(value(child), ''));
      await readBelow(child, into);
    }
  }

  return {
    create: (path, data) =>
      new Promise((resolve, reject) => {
        client.create(path, Buffer.from(data), (error) => (error ? reject(error) : resolve()));
      }),
    async read() {
      const all = new Map<string, string>();
      await readBelow('/', all);
      return all;
    },
    close: () => client.close(),
  };
}
