import { registerConformance } from '@holdfast/conformance/vitest';
import { startZookeeperEnsemble, type ZookeeperEnsemble } from '@holdfast/testbed';
import { afterAll, beforeAll, vi } from 'vitest';
import { zookeeperHarness } from './support/conformance-harness.ts';

let ensemble: ZookeeperEnsemble;
beforeAll(async () => {
  ensemble = await startZookeeperEnsemble(3);
});
afterAll(() => ensemble?.stop());

const failover = async (): Promise<void> => {
  const leader = await ensemble.leader();
  await leader.kill();
  await ensemble.leader();
  await leader.restart();
};
registerConformance(zookeeperHarness('zookeeper, three servers', () => ensemble.servers, { failover }));

// Three servers share the machine with the cases: of more at once, some would be without an answer for longer than an attempt may take.
vi.setConfig({ maxConcurrency: 12 });
