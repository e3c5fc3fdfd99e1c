import type { ClientProcess } from './backend.ts';

/** A client of node-zookeeper-client, as an application uses it beside the lock. */
interface ApplicationClient {
  readonly connectionManager: { connect(): void; readonly socket?: { destroy(): void } };
  once(event: 'connected', listener: () => void): unknown;
  connect(): void;
  close(): void;
  create(path: string, data: Buffer, done: (error: { name?: string } | null) => void): void;
}

interface Transaction {
  setData(path: string, data: Buffer, version?: number): unknown;
}

type Write = (
  client: ApplicationClient,
  fence: string,
  token: bigint,
  write?: (transaction: Transaction) => void,
) => Promise<boolean>;

export const dataOf = (key: string): string => `/data-${encodeURIComponent(key)}`;

const patienceMs = 1_000;

/**
 * A guarded write beside the lock. Each has a client of its own, for one connection: the library confuses handshakes when it connects
 * again, which its users have to see to, and no fault of a guard.
 */
export function createZookeeperGuard(
  { environment, machine, shipped }: ClientProcess,
  servers: string,
  sessionTimeoutMs: number,
): NonNullable<ClientProcess['guard']> {
  const write = shipped.fencedZookeeperWrite as Write;
  const library = environment.require('node-zookeeper-client') as {
    createClient(servers: string, options: object): ApplicationClient;
  };
  return async (key, token, isLook) => {
    const client = library.createClient(servers, { sessionTimeout: sessionTimeoutMs, spinDelay: 0, retries: 0 });
    const { connectionManager } = client;
    const silence = new Promise<never>((_, reject) =>
      machine.later(patienceMs, () => reject(new Error('ZooKeeper does not answer'))),
    );
    silence.catch(() => {});
    let isConnected = false;
    const connected = new Promise<void>((resolve) => void client.once('connected', resolve)).then(() => {
      isConnected = true;
    });
    client.connect();
    connectionManager.connect = () => {};
    try {
      await Promise.race([connected, silence]);
      if (isLook) return await Promise.race([write(client, `/fence-${key}`, token), silence]);
      await Promise.race([createOnce(client, dataOf(key)), silence]);
      const data = Buffer.from(String(token));
      return await Promise.race([
        write(client, `/fence-${key}`, token, (all) => all.setData(dataOf(key), data)),
        silence,
      ]);
    } finally {
      const leave = (): void => connectionManager.socket?.destroy();
      // Whoever is not answered goes without a farewell: its session ends by itself. The library takes what it is told next for an answer
      // to its farewell, also the handshake.
      if (isConnected) {
        client.close();
        machine.later(patienceMs, leave);
      } else leave();
    }
  };
}

/** Its data has a node, which the first write makes. */
const createOnce = (client: ApplicationClient, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    client.create(path, Buffer.from(''), (error) => {
      if (!error || error.name === 'NODE_EXISTS') resolve();
      else reject(error);
    });
  });
