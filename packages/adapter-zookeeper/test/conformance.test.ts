import { registerConformance } from '@holdfast/conformance/vitest';
import { startZookeeper, type ZookeeperServer } from '@holdfast/testbed';
import { afterAll, beforeAll } from 'vitest';
import { zookeeperHarness } from './support/conformance-harness.ts';

let server: ZookeeperServer;
beforeAll(async () => {
  server = await startZookeeper();
});
afterAll(() => server?.stop());

registerConformance(zookeeperHarness('zookeeper', () => [server]));
