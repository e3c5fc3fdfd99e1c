import { registerConformance } from '@holdfast/conformance/vitest';
import { type EtcdServer, startEtcd } from '@holdfast/testbed';
import { afterAll, beforeAll } from 'vitest';
import { etcdAdapter } from '../src/index.ts';

let server: EtcdServer;
beforeAll(async () => {
  server = await startEtcd();
});
afterAll(() => server.stop());

registerConformance({
  name: 'etcd',
  adapter: async () => etcdAdapter({ hosts: `127.0.0.1:${server.port}` }),
  capabilities: {
    fencing: true,
    fairness: 'fifo',
    expiry: 'ttl',
    wakeup: 'push',
    survivesFailover: true,
    crossProcess: true,
    ttl: { minMs: 1_000, granularityMs: 1_000, maxOvershootMs: 2_000 },
  },
  hooks: {
    revoke: async (key) => {
      await using adapter = {
        ...etcdAdapter({ hosts: `127.0.0.1:${server.port}` }),
        [Symbol.asyncDispose]() {
          return this.close!();
        },
      };
      await adapter.forceRelease!(key);
    },
  },
});
