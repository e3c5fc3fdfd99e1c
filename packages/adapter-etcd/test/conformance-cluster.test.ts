import { registerConformance } from '@holdfast/conformance/vitest';
import { type EtcdCluster, startEtcdCluster } from '@holdfast/testbed';
import { afterAll, beforeAll, vi } from 'vitest';
import { etcdHarness } from './support/conformance-harness.ts';

let cluster: EtcdCluster;
beforeAll(async () => {
  cluster = await startEtcdCluster();
});
afterAll(() => cluster?.stop());

const failover = async (): Promise<void> => {
  const leader = await cluster.leader();
  await leader.kill();
  await cluster.leader();
  await leader.restart();
};
registerConformance(etcdHarness('etcd, three members', () => cluster.members, { failover }));

// Three members share the machine with the cases: of more at once, some would be without an answer for longer than an attempt may take.
vi.setConfig({ maxConcurrency: 12 });
