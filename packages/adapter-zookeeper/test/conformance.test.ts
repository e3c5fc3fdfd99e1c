import { registerConformance } from '@holdfast/conformance/vitest';
import { startZookeeper, type ZookeeperServer } from '@holdfast/testbed';
import { afterAll, beforeAll } from 'vitest';
import { zookeeperAdapter } from '../src/index.ts';
import { inOrder, nodeName } from '../src/names.ts';
import { expire, type Raw, rawClient, rememberingFactory } from './support/clients.ts';

const sessionTimeoutMs = 20_000;
const { factory, clients } = rememberingFactory();
let server: ZookeeperServer;
let raw: Raw;

beforeAll(async () => {
  server = await startZookeeper();
  raw = await rawClient(`127.0.0.1:${server.port}`);
});

afterAll(async () => {
  await raw?.close();
  await server?.stop();
});

registerConformance({
  name: 'zookeeper',
  adapter: async () =>
    zookeeperAdapter({ servers: `127.0.0.1:${server.port}`, sessionTimeoutMs, clientFactory: factory }),
  capabilities: {
    fencing: true,
    fairness: 'fifo',
    expiry: 'session',
    wakeup: 'push',
    survivesFailover: true,
    crossProcess: true,
    ttl: { minMs: 1, granularityMs: 1, maxOvershootMs: 30_000 },
  },
  // No lease is longer than the session is sure to last.
  timing: { longTtlMs: 12_000 },
  hooks: {
    async revoke(key) {
      const parent = `/locks/${nodeName(key)}`;
      const [first] = inOrder(await raw.children(parent)) ?? [];
      const owner = first && (await raw.ownerOf(`${parent}/${first}`));
      const client = clients.find((each) => each.getSessionId().toString('hex') === owner);
      if (client !== undefined) await expire(`127.0.0.1:${server.port}`, client);
    },
  },
});
