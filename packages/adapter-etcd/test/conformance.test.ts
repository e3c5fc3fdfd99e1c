import { registerConformance } from '@holdfast/conformance/vitest';
import { type EtcdServer, startEtcd } from '@holdfast/testbed';
import { afterAll, beforeAll } from 'vitest';
import { etcdHarness } from './support/conformance-harness.ts';

let server: EtcdServer;
beforeAll(async () => {
  server = await startEtcd();
});
afterAll(() => server?.stop());

registerConformance(etcdHarness('etcd', () => [server]));
