import { startZookeeper, type ZookeeperServer } from '@holdfast/testbed';
import { afterAll, beforeAll } from 'vitest';
import { type Raw, rawClient } from './clients.ts';

/** A server for the tests of a file, and a client of our own to look into it. */
export interface TestServer {
  readonly server: ZookeeperServer;
  /** `host:port` */
  readonly at: string;
  readonly raw: Raw;
}

/** Starts it before the tests of the file and stops it after them. */
export function useServer(options?: Parameters<typeof startZookeeper>[0]): TestServer {
  let server: ZookeeperServer | undefined;
  let raw: Raw | undefined;
  const at = (): string => `127.0.0.1:${server?.port}`;

  beforeAll(async () => {
    server = await startZookeeper(options);
    raw = await rawClient(at());
  });

  afterAll(async () => {
    await raw?.close();
    await server?.stop();
  });

  return {
    get server() {
      return server as ZookeeperServer;
    },
    get at() {
      return at();
    },
    get raw() {
      return raw as Raw;
    },
  };
}
